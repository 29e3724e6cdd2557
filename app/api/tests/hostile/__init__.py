"""Hostile requests to every operation of the document.

``requests`` has what they are made of, and what a feature declares in ``tests/hostile.py``;
``values`` what may stand in a field; ``paths``, ``queries``, ``headers``, ``bodies`` and ``fields``
go over the document; ``parts`` puts these together with what each feature declares.
"""
