"""The report of a night: facts gathered from its own tables as plain numbers, charts made of them, one HTML page.

`*_facts` modules read tables and give numbers, bounded whatever the night's size; sections.py and its siblings turn
them into figures and tables without Spark; page.py puts those into one file.
"""
