"""How is an image request answered?"""
