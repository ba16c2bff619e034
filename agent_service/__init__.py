"""agent_service"""
