"""Packets as text, one a line, close to what ``tcpdump -n`` prints: ``10.0.0.1:1234 > 192.0.2.1:80 tcp S seq 7``.

:mod:`~nfuse.testing.notation.reader` turns a line into a :class:`~nfuse.testing.notation.description.Description`,
:mod:`~nfuse.testing.notation.builder` a description into bytes; :mod:`~nfuse.testing.notation.dissector` and
:mod:`~nfuse.testing.notation.printer` go the other way. :mod:`~nfuse.testing.notation.words` declares each word once,
for both ways. Any bytes can be printed, and what is printed can be read: what has no words becomes ``raw HEX``.

Nothing here knows chains or engines.
"""
