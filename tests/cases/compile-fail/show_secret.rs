//! A secret in a message.

use skillhost::secret::Secret;

pub fn message(secret: &Secret) -> String {
    format!("the token is {secret}")
}
