"""storage_service"""
