//! Random irreducible polynomials over GF(2).
//!
//! Restic cuts files where a Rabin fingerprint matches, and keeps that fingerprint's polynomial in the repository
//! configuration. We cut differently, but stock restic refuses a configuration whose polynomial is reducible.

use crate::error::Result;
use crate::random;

/// A polynomial over GF(2); bit `i` is the coefficient of `x^i`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Polynomial(pub(crate) u64);

const DEGREE: u32 = 53;

impl Polynomial {
    /// A random irreducible polynomial of degree 53.
    pub(crate) fn random_irreducible() -> Result<Self> {
        loop {
            let bits = u64::from_le_bytes(random::bytes()?);
            // One polynomial of degree 53 in about 53 is irreducible; a constant term of zero never is.
            let candidate = Self(bits & ((1 << DEGREE) - 1) | 1 << DEGREE | 1);
            if candidate.is_irreducible() {
                return Ok(candidate);
            }
        }
    }

    /// Ben-Or's test: `f` is irreducible if it has no common factor with `x^(2^i) - x` for all `i` up to half its
    /// degree.
    pub(crate) fn is_irreducible(self) -> bool {
        let Some(degree) = degree(self.0).filter(|&degree| degree > 0) else { return false };
        let mut power = reduce(0b10, self.0);
        for _ in 0..degree / 2 {
            power = multiply(power, power, self.0);
            if greatest_common_divisor(self.0, power ^ 0b10) != 1 {
                return false;
            }
        }
        true
    }
}

fn degree(f: u64) -> Option<u32> {
    f.checked_ilog2()
}

fn reduce(mut f: u64, modulus: u64) -> u64 {
    while let (Some(high), Some(low)) = (degree(f), degree(modulus)) {
        if high < low {
            break;
        }
        f ^= modulus << (high - low);
    }
    f
}

/// `a · b mod modulus` for reduced `a` and a modulus of degree below 63.
fn multiply(mut a: u64, mut b: u64, modulus: u64) -> u64 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        b >>= 1;
        a = reduce(a << 1, modulus);
    }
    product
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, reduce(a, b));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_polynomials_are_judged_as_trial_division_judges_them() {
        for f in 2_u64..1 << 9 {
            let divisible = (2..f).any(|divisor| degree(divisor) < degree(f) && reduce(f, divisor) == 0);
            assert_eq!(Polynomial(f).is_irreducible(), !divisible, "{f:b}");
        }
    }

    #[test]
    fn polynomials_in_restics_documents_are_irreducible() {
        for bits in [0x0025_b468_838d_cb75, 0x003d_a335_8b4d_c173] {
            assert!(Polynomial(bits).is_irreducible(), "{bits:x}");
        }
    }

    #[test]
    fn random_ones_have_degree_53() {
        let polynomial = Polynomial::random_irreducible().unwrap();
        assert_eq!(degree(polynomial.0), Some(53));
        assert!(polynomial.is_irreducible());
    }
}
