#!/usr/bin/python3
"""Prints what carbon-cache wrote: one line "series timestamp value" for each point in each whisper file of a directory.

    whisper_points.py DIRECTORY FROM UNTIL

Both seconds count, and a point ahead of the clock is not seen before its time (whisper's rule). Values are
printed so that they read back exactly. Runs on Debian's python3-whisper.
"""
import os
import sys

import whisper

root, start, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for folder, _, files in os.walk(root):
    for file in files:
        path = os.path.join(folder, file)
        series = os.path.relpath(path, root).removesuffix(".wsp").replace(os.sep, ".")
        try:
            fetched = whisper.fetch(path, start - 1, end)  # it begins with the interval after the one it is given
        except whisper.CorruptWhisperFile:
            continue  # carbon-cache is just making it; a file that stays so has no points, and whoever waits for them says so
        if fetched is None:
            continue
        (first, _, step), values = fetched
        for index, value in enumerate(values):
            if value is not None:
                print(series, first + index * step, repr(value))
