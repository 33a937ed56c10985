"""Ref stores: where claims stand, behind one contract."""
