"""Tests of the documents: their links, their words, and the commands in them."""
