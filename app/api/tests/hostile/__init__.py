"""Hostile requests to every operation of the document.

``requests`` has the types of requests and of a feature's declarations in ``tests/hostile.py``.
``values`` has hostile values by kind. ``paths``, ``queries``, ``headers``, ``bodies`` and
``fields`` make requests from the document. ``parts`` combines these with the declarations of each
feature.
"""
