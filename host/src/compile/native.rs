//! Bytes → machine code: the one `unsafe` of this project.

use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::sealed::Sealed;

/// Machine code that our own compiler made, and that cannot change any more.
#[derive(Debug)]
pub(super) struct MachineCode(Sealed);

impl MachineCode {
    /// Whoever calls this vouches that the bytes are what our own compiler made
    /// of a component: they come from the process that the host started for it,
    /// or bear the authentication code of a key that only this user has.
    pub(super) const fn vouched_for(sealed: Sealed) -> Self {
        Self(sealed)
    }

    /// The bytes.
    pub(super) const fn bytes(&self) -> &Sealed {
        &self.0
    }

    /// Whether it claims to be a component that was compiled.
    pub(super) fn is_component(&self) -> bool {
        let found = Engine::detect_precompiled_file(self.0.path());
        matches!(found, Ok(Some(Precompiled::Component)))
    }

    /// Maps the code, so that it can be called.
    ///
    /// # Errors
    ///
    /// If it was made by another version or with other settings of the engine.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that takes machine code from bytes"
    )]
    pub(super) fn map(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize_file` asks for two things. The bytes must be the
        // output of `precompile_component`: `vouched_for` has the only two ways
        // to come by them. And the file must not change while it is mapped: it
        // is a memory file, sealed against writing, growing and shrinking before
        // its bytes were judged, and its path leads to our own descriptor.
        #[expect(unsafe_code, reason = "see decision 12; there is no other")]
        unsafe {
            Component::deserialize_file(engine, self.0.path())
        }
    }
}
