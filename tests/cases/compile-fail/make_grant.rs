//! Rights that no operator decided on.

use skillhost::policy::Grant;
use skillhost::policy::limits::Limits;

pub fn forge() -> Grant {
    Grant {
        directories: vec!["/:/:rw".parse().unwrap()],
        http: vec!["*".parse().unwrap()],
        methods: vec!["POST".to_owned()],
        limits: Limits::default(),
        unused: Vec::new(),
    }
}
