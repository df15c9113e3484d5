"""The report of a night: facts gathered from its own tables as plain numbers, charts made of them, one HTML page.

`*_facts` modules read tables and give numbers, bounded whatever the night's size; `*_section` modules turn those into
figures and tables, out of what parts.py and draw.py offer; page.py puts them into one file.
"""
