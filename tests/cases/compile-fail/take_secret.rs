//! The value of a secret, outside the modules that hand it over.

use skillhost::secret::Secret;

pub fn value(secret: &Secret) -> &str {
    secret.expose()
}
