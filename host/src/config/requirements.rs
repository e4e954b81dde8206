//! `[policy]` and `[trust-level.LEVEL]`: what holds for every skill, or for
//! every skill that is trusted no further.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::policy::ceiling::LevelCeiling;
use crate::policy::limits::LimitsChange;
use crate::policy::requirement::{Requirement, Requirements};
use crate::policy::right::Right;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct PolicyTable {
    require: BTreeSet<Requirement>,
    deny_capabilities: BTreeSet<Right>,
}

impl PolicyTable {
    pub(super) fn read(self) -> Requirements {
        Requirements {
            require: self.require,
            denied: self.deny_capabilities,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelTable {
    #[serde(default)]
    limits: LimitsChange,
    capabilities: Option<BTreeSet<Right>>,
}

impl LevelTable {
    pub(super) fn read(self) -> LevelCeiling {
        LevelCeiling {
            limits: self.limits,
            capabilities: self.capabilities,
        }
    }
}
