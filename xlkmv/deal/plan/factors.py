"""What obligors share: the common factor and the factors of their industries."""

from __future__ import annotations

import numpy as np

from xlkmv.deal.terms import Pool, Terms
from xlkmv.model.domain import Array

__all__ = ["factor_loadings"]

# Something of its own stays with every obligor.
MOST_SHARED = 0.999


def factor_loadings(pool: Pool, terms: Terms) -> tuple[Array, Array]:
    """Squared loadings of each obligor on the common factor and on the factor of its industry.

    Parameters
    ----------
    pool : Pool
    terms : Terms

    Returns
    -------
    common, industry : ndarray, shape (m,)
        Their sum is the share of its variance that an obligor has in common with others.
    """
    rho = pool.correlation
    extra = np.array([terms.industry_correlation if name else 0.0 for name in pool.industry])
    return rho, np.minimum(extra, MOST_SHARED * (1.0 - rho))
