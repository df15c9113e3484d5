"""Collects side information: a polite, resumable crawler on Scrapy, without Spark."""
