"""What can a URL ask for?"""
