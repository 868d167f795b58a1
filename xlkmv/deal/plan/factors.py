"""What obligors share: the common factor and the factors of their industries.

The factor of industry g is ``F_g = sqrt(c) Z + sqrt(1 - c) Y_g``, c the correlation of the factors of two
industries, and an obligor loads on that of its own with sqrt(rho_i), on Y_g with sqrt(w) more where terms
add a correlation w inside an industry. Obligors of one industry then have the correlation
``sqrt(rho_i rho_j)`` (and what w adds), those of two ``c sqrt(rho_i rho_j)``; who names none loads on Z.
"""

from __future__ import annotations

import numpy as np

from xlkmv.deal.terms import Pool, Terms
from xlkmv.model.domain import Array

__all__ = ["factor_loadings", "industries"]

# Something of its own stays with every obligor.
MOST_SHARED = 0.999


def industries(pool: Pool, terms: Terms) -> int:
    """Factors of industries that move anything in a pool, beside the common one."""
    apart = terms.between_industries < 1.0 and len(set(pool.industry)) > 1
    return len(set(pool.industry) - {""}) if terms.industry_correlation > 0.0 or apart else 0


def factor_loadings(pool: Pool, terms: Terms) -> tuple[Array, Array]:
    """Squared loadings of each obligor on the common factor and on what is its industry's alone.

    Parameters
    ----------
    pool : Pool
    terms : Terms

    Returns
    -------
    common, industry : ndarray, shape (m,)
        Their sum is the share of its variance that an obligor has in common with others.
    """
    rho, named = pool.correlation, np.array([bool(name) for name in pool.industry])
    # A pool of one industry knows no other.
    apart = 1.0 - terms.between_industries if len(set(pool.industry)) > 1 else 0.0
    common = np.where(named, (1.0 - apart) * rho, rho)
    extra = np.where(named, terms.industry_correlation + apart * rho, 0.0)
    return common, np.minimum(extra, MOST_SHARED * (1.0 - common))
