"""Collecting side information: a polite, resumable crawler on Scrapy. No Spark inside."""
