"""Backbones: one file a family.

A backbone is an ``nn.Module`` with ``forward(images (N, 3, H, W)) -> list[(N, c, h, w)]``, finest map first,
and ``out_channels``, the c of each map. Its parameter names are those of published weights.
"""
