"""Readers of texts from outside, tried with texts made to hurt, each in a child with limits of CPU and memory.

`targets` has the readers, `families` the nasty texts, `child` tries one reader, `test_readers` starts the children.
"""
