"""llm_service"""
