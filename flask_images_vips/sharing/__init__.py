"""When does one decode of a source serve several renditions?"""
