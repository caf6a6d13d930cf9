"""What crosses the control socket: framing, names, exit codes and the client; shared by daemon and synctl.

Standard library only, and imported in a blink: nothing here imports syncd.
"""
