"""What can an application configure?"""
