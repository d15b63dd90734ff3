"""Necks: one file each.

A neck is an ``nn.Module`` with ``forward(maps) -> maps``, finest first, and ``out_channels``, the channels of
each map it gives. The heads are built from ``out_channels``.
"""
