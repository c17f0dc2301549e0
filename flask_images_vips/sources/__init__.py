"""Where do originals come from?"""
