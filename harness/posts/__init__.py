"""Posts: where units of work run, and how they are handed out.

A post holds the seats of one machine. The program that hands out the work is the only writer of the run folder and the cache.
"""
