//! Which files are wanted by name.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// A glob for file names or, if it holds a `/`, for paths below the root.
#[derive(Debug)]
pub(crate) struct NameGlob {
    matcher: GlobMatcher,
    whole_path: bool,
}

impl NameGlob {
    /// Compiles a glob: `*`, `?`, `**`, `[a-z]`, `{rs,toml}`.
    ///
    /// # Errors
    ///
    /// [`globset::Error`] if it is none.
    pub(crate) fn new(glob: &str) -> Result<Self, globset::Error> {
        let below_root = glob.strip_prefix('/').unwrap_or(glob);
        let matcher = GlobBuilder::new(below_root)
            .literal_separator(true)
            .build()?
            .compile_matcher();
        Ok(Self {
            matcher,
            whole_path: glob.contains('/'),
        })
    }

    /// Whether the file is wanted.
    pub(crate) fn matches(&self, file: &Path, root: &Path) -> bool {
        let name = file.file_name().unwrap_or_default();
        let below_root = file.strip_prefix(root).unwrap_or(file);
        self.matcher.is_match(if self.whole_path {
            below_root
        } else {
            name.as_ref()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, file: &str) -> bool {
        NameGlob::new(glob)
            .unwrap()
            .matches(Path::new(file), Path::new("/tree"))
    }

    #[test]
    fn without_a_slash_it_means_the_name() {
        assert!(matches("*.{rs,toml}", "/tree/x/y/a.rs"));
        assert!(matches("*.{rs,toml}", "/tree/a.toml"));
        assert!(!matches("*.{rs,toml}", "/tree/a.rst"));
        assert!(!matches("x", "/tree/x/a"));
    }

    #[test]
    fn with_a_slash_it_means_the_path_below_the_root() {
        assert!(matches("x/*.rs", "/tree/x/b.rs"));
        assert!(!matches("x/*.rs", "/tree/x/y/b.rs"));
        assert!(!matches("x/*.rs", "/tree/z/x/b.rs"));
        assert!(matches("/x/**/*.rs", "/tree/x/b.rs"));
        assert!(matches("/*.rs", "/tree/b.rs"));
        assert!(!matches("/*.rs", "/tree/x/b.rs"));
    }

    #[test]
    fn a_broken_glob_is_an_error() {
        assert!(NameGlob::new("[").is_err());
    }
}
