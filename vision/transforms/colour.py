"""Brightness, contrast, saturation and hue as one 3×4 matrix on RGB in 0..255.

The operations are those of SSD's photometric distortion (Liu et al. 2016 §3.2, after Howard 2013), saturation and
hue in the linear form of colour television (YIQ) in place of HSV: then all four are ONE matrix, rounded and
clipped once, which costs a fortieth of four float passes. A matrix is applied to a column (R, G, B, 1). Each function takes a number,
or as many as there are images.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""

_RGB_TO_YIQ = np.array(
    [LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]],
)  # the NTSC definition
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)


def brightness(shift: ArrayLike) -> np.ndarray:
    """(…) → (…, 4, 4): ``shift`` is added to every channel, in 0..255 units."""
    matrix = _identity(np.shape(shift))
    matrix[..., :3, 3] = np.asarray(shift)[..., None]
    return matrix


def contrast(factor: ArrayLike) -> np.ndarray:
    """(…) → (…, 4, 4): every channel is multiplied by ``factor``; black stays."""
    matrix = _identity(np.shape(factor))
    matrix[..., range(3), range(3)] = np.asarray(factor)[..., None]
    return matrix


def saturation(factor: ArrayLike) -> np.ndarray:
    """(…) → (…, 4, 4): distance from grey of the same luma is multiplied by ``factor``; 0 makes it grey."""
    matrix, share = _identity(np.shape(factor)), np.asarray(factor)[..., None, None]
    matrix[..., :3, :3] = share * np.eye(3) + (1 - share) * LUMA
    return matrix


def hue(degrees: ArrayLike) -> np.ndarray:
    """(…) → (…, 4, 4): chrominance is turned by ``degrees``; greys and luma stay."""
    shape = np.shape(degrees)
    radians = [math.radians(each) for each in np.ravel(degrees).tolist()]
    turn = np.broadcast_to(np.eye(3), (*shape, 3, 3)).copy()
    turn[..., 1, 1] = turn[..., 2, 2] = np.reshape([math.cos(each) for each in radians], shape)
    turn[..., 2, 1] = np.reshape([math.sin(each) for each in radians], shape)
    turn[..., 1, 2] = -turn[..., 2, 1]
    matrix = _identity(shape)
    matrix[..., :3, :3] = _YIQ_TO_RGB @ turn @ _RGB_TO_YIQ
    return matrix


def combined(*matrices: np.ndarray) -> np.ndarray:
    """(…, 3, 4) float32 that does what ``matrices`` (…, 4, 4) do one after another."""
    product = np.eye(4)
    for matrix in matrices:
        product = matrix @ product
    return product[..., :3, :].astype(np.float32)


def _identity(shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(np.eye(4), (*shape, 4, 4)).copy()
