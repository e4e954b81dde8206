//! What vouches for a signature, beside a certificate.

/// What a bundle carries to show when a signature was made, and that it was
/// made in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Rekor v1: its promise, which names the time, and its proof.
    V1,
    /// Rekor v1: the promise only. Verifiers accept that in
    /// [`Format::V01`](crate::Format::V01).
    V1Promise,
    /// Rekor v1: the proof only. Nothing vouches for the time, so a keyless
    /// signature must be [`timestamped`](crate::Draft::timestamped) as well.
    V1Proof,
    /// Rekor v1: promise and proof of an `intoto` 0.0.2 entry, as attestations
    /// were logged before there was `dsse`. For statements only.
    V1Intoto,
    /// Rekor v2: a proof, and an RFC 3161 timestamp.
    V2,
    /// No log. Enough for a managed key where the operator says so.
    None,
}

impl Evidence {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::V1,
        Self::V1Promise,
        Self::V1Proof,
        Self::V1Intoto,
        Self::V2,
        Self::None,
    ];

    pub(crate) const fn has_entry(self) -> bool {
        !matches!(self, Self::None)
    }

    pub(crate) const fn has_promise(self) -> bool {
        matches!(self, Self::V1 | Self::V1Promise | Self::V1Intoto)
    }

    pub(crate) const fn has_proof(self) -> bool {
        self.has_entry() && !matches!(self, Self::V1Promise)
    }
}
