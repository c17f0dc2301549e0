"""How does nginx answer by itself?"""
