"""sender_service"""
