"""The archiver: packs small files into archives, sends them proven, and finds and restores what they hold.

It sees the ports and the engine only; every put, get and unlink is the engine's.
"""
