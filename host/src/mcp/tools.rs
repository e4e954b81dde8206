//! Tools as MCP lists them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use rmcp::model::ToolAnnotations;
use rmcp::model::{CacheScope, ErrorData, ListToolsResult, PaginatedRequestParams, Tool};

use super::caller::Caller;
use super::names::{self, Names};
use crate::artifact::Digest;
use crate::host::Host;
use crate::manifest::{self, Capabilities, MAX_NAME, Manifest, SkillName, ToolName};
use crate::policy::Grant;
use crate::policy::directory::Access;
use crate::registry::Loaded;

/// How long a client may keep the list of tools, in milliseconds. A skill that
/// is replaced on disk changes it unannounced.
const LIST_TTL: u64 = 60_000;

/// The most tools in one page of the list.
const MAX_TOOLS: usize = 256;

/// The most bytes of one page: half of what a client takes.
const MAX_BYTES: usize = 512 * 1024;

/// The tools of each skill as they are listed, made once for each version of it
/// and each change of what it is granted.
#[derive(Debug, Default)]
pub(crate) struct Definitions(RwLock<BTreeMap<SkillName, Defined>>);

/// The tools of one state of a skill.
#[derive(Debug)]
struct Defined {
    of: Weak<Loaded>,
    tools: Arc<[Definition]>,
}

/// One tool as it is listed.
#[derive(Debug)]
struct Definition {
    name: ToolName,
    /// `SKILL_TOOL`, whatever the operator calls it.
    own_name: String,
    /// Its bytes in a list.
    size: usize,
    listed: Tool,
}

/// A page of the tools that a caller may call, in the order of the names of skill
/// and tool. The cursor is the last own name before it, so it holds whatever is added, taken
/// away, or seen by others.
///
/// # Errors
///
/// `-32602` for a cursor that no list can have given.
pub(super) fn page(
    host: &Host,
    caller: &Caller,
    request: Option<PaginatedRequestParams>,
) -> Result<ListToolsResult, ErrorData> {
    let is_ready = host.is_ready();
    let cursor = request.and_then(|request| request.cursor);
    let after = cursor.as_deref().map(after).transpose()?;
    let mut page = Page::default();
    for skill in host.skills() {
        let name = &skill.manifest().name;
        let definitions = host.definitions().of(&skill);
        let left = definitions.iter().filter(|it| {
            let is_later = |(skill, tool): &(_, _)| (name, &it.name) > (skill, tool);
            after.as_ref().is_none_or(is_later)
                && host.offers(&caller.principal, caller.scope.as_deref(), &skill, &it.name)
        });
        for definition in left {
            if !page.takes(definition) {
                return Ok(page.done(true, is_ready));
            }
        }
    }
    Ok(page.done(false, is_ready))
}

/// Stands for everything that a caller finds in the list.
pub(super) fn digest(host: &Host, caller: &Caller) -> Digest {
    let mut seen = Vec::new();
    for skill in host.skills() {
        let definitions = host.definitions().of(&skill);
        let offered = definitions
            .iter()
            .filter(|it| host.offers(&caller.principal, caller.scope.as_deref(), &skill, &it.name));
        for definition in offered {
            // What cannot be written is not listed either.
            let _ = serde_json::to_writer(&mut seen, &definition.listed);
        }
    }
    Digest::of(&seen)
}

/// A tool by its name in the list, if this caller finds it there.
pub(super) fn find(host: &Host, caller: &Caller, name: &str) -> Option<Tool> {
    ask(host, caller, name, Tool::clone)
}

/// What is to be known of a tool, if this caller finds it in the list.
pub(super) fn ask<T>(
    host: &Host,
    caller: &Caller,
    name: &str,
    question: impl Fn(&Tool) -> T,
) -> Option<T> {
    let (skill, tool) = names::meant(host, name)?;
    let loaded = host.skill(&skill)?;
    let definitions = host.definitions().of(&loaded);
    let found = definitions.iter().find(|it| it.name.as_str() == tool)?;
    let is_offered = host.offers(
        &caller.principal,
        caller.scope.as_deref(),
        &loaded,
        &found.name,
    );
    is_offered.then(|| question(&found.listed))
}

/// Whether a caller finds a tool in the list.
pub(super) fn is_offered(host: &Host, caller: &Caller, skill: &SkillName, tool: &str) -> bool {
    let loaded = host.skill(skill);
    let offers = |loaded: Arc<Loaded>| {
        let tool = loaded.manifest().tool(tool)?;
        Some(host.offers(
            &caller.principal,
            caller.scope.as_deref(),
            &loaded,
            &tool.name,
        ))
    };
    loaded.and_then(offers).unwrap_or(false)
}

fn after(cursor: &str) -> Result<(SkillName, ToolName), ErrorData> {
    let named = Some(cursor).filter(|it| it.len() <= MAX_NAME);
    named.and_then(names::own).ok_or_else(|| {
        ErrorData::invalid_params(
            "That is no cursor of this list: begin again without one.",
            None,
        )
    })
}

/// A page while it is filled.
#[derive(Default)]
struct Page {
    tools: Vec<Tool>,
    bytes: usize,
    last: Option<String>,
}

impl Page {
    /// Adds a tool, if there is room. There is always room for one.
    fn takes(&mut self, definition: &Definition) -> bool {
        let bytes = self.bytes + definition.size;
        if !self.tools.is_empty() && (self.tools.len() == MAX_TOOLS || bytes > MAX_BYTES) {
            return false;
        }
        self.bytes = bytes;
        self.tools.push(definition.listed.clone());
        self.last = Some(definition.own_name.clone());
        true
    }

    /// A list that was asked for before all skills were loaded is not kept.
    fn done(self, there_are_more: bool, is_ready: bool) -> ListToolsResult {
        let mut list = ListToolsResult::with_all_items(self.tools);
        list.next_cursor = self.last.filter(|_| there_are_more);
        list.ttl_ms = Some(if is_ready { LIST_TTL } else { 0 });
        list.cache_scope = Some(CacheScope::Private);
        list
    }
}

impl Definitions {
    fn of(&self, loaded: &Arc<Loaded>) -> Arc<[Definition]> {
        let name = &loaded.manifest().name;
        // An entry is replaced whole: a panic cannot leave half of one.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(defined) = known.get(name)
            && std::ptr::eq(defined.of.as_ptr(), Arc::as_ptr(loaded))
        {
            return Arc::clone(&defined.tools);
        }
        drop(known);
        let tools = definitions(loaded);
        let defined = Defined {
            of: Arc::downgrade(loaded),
            tools: Arc::clone(&tools),
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, defined| defined.of.strong_count() > 0);
        known.insert(name.clone(), defined);
        tools
    }
}

/// By name.
fn definitions(loaded: &Loaded) -> Arc<[Definition]> {
    let manifest = loaded.manifest();
    let granted = Result::as_ref(&loaded.granted).ok().map(|it| &it.grant);
    let mut tools: Vec<Definition> = manifest
        .tools
        .iter()
        .map(|tool| Definition::new(manifest, granted, tool, &loaded.names))
        .collect();
    tools.sort_by(|one, other| one.name.cmp(&other.name));
    tools.into()
}

impl Definition {
    fn new(
        manifest: &Manifest,
        granted: Option<&Grant>,
        tool: &manifest::Tool,
        names: &Names,
    ) -> Self {
        let listed = definition(manifest, granted, tool, names);
        Self {
            name: tool.name.clone(),
            own_name: names::listed(&manifest.name, &tool.name, &Names::new()),
            // What is read from JSON can be written as JSON.
            size: serde_json::to_vec(&listed).map_or(0, |json| json.len()),
            listed,
        }
    }
}

fn definition(
    manifest: &Manifest,
    granted: Option<&Grant>,
    tool: &manifest::Tool,
    names: &Names,
) -> Tool {
    let mut definition = Tool::new(
        names::listed(&manifest.name, &tool.name, names),
        tool.description.clone(),
        tool.input_schema.clone(),
    );
    definition.title.clone_from(&tool.title);
    definition.output_schema = tool.output_schema.clone().map(Arc::new);
    let annotations = annotations(&manifest.capabilities, granted, tool.annotations);
    definition.annotations = (annotations != ToolAnnotations::new()).then_some(annotations);
    definition
}

/// What the author claims, unless what the skill wants or has been granted says
/// otherwise: clients may skip asking their user on the strength of a hint. What
/// is wanted counts before it is granted: a grant takes effect at the next call,
/// and a client may have kept the list.
fn annotations(
    wanted: &Capabilities,
    granted: Option<&Grant>,
    claimed: manifest::Annotations,
) -> ToolAnnotations {
    let reaches_out = reaches_out(wanted) || granted.is_some_and(is_let_out);
    let may_change = reaches_out || keeps_or_writes(wanted) || granted.is_some_and(may_write);
    ToolAnnotations::from_raw(
        None,
        claimed.read_only.map(|claim| claim && !may_change),
        claimed.destructive,
        claimed.idempotent,
        if reaches_out {
            Some(true)
        } else {
            claimed.open_world
        },
    )
}

/// A request that only reads carries an address, and with it whatever the skill
/// knows: to the world outside it is a change.
const fn reaches_out(wanted: &Capabilities) -> bool {
    wanted.http.is_some() || wanted.sockets.is_some()
}

fn keeps_or_writes(wanted: &Capabilities) -> bool {
    let mut filesystem = wanted.filesystem.iter();
    wanted.state.is_some() || filesystem.any(|it| it.access == Access::ReadWrite)
}

fn is_let_out(granted: &Grant) -> bool {
    !granted.http().is_empty() || granted.sockets().is_some_and(|it| !it.is_empty())
}

fn may_write(granted: &Grant) -> bool {
    let mut directories = granted.directories().iter();
    granted.state() || directories.any(|it| it.access == Access::ReadWrite)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::ceiling::Ceiling;
    use crate::policy::limits::Limits;
    use crate::policy::{self, OperatorGrant};

    fn manifest(capabilities: &Value, annotations: &Value) -> Manifest {
        let document = json!({
            "format": 1, "name": "text-stats", "version": "1.2.3", "capabilities": capabilities,
            "tools": [{
                "name": "count-words", "title": "Count words", "description": "Counts.",
                "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}},
                "output_schema": {"type": "object"}, "annotations": annotations,
            }],
        });
        Manifest::parse(Some(document.to_string().as_bytes())).unwrap()
    }

    fn listed(capabilities: &Value, annotations: &Value) -> Value {
        let manifest = manifest(capabilities, annotations);
        let definition = definition(&manifest, None, &manifest.tools[0], &Names::new());
        serde_json::to_value(definition).unwrap()
    }

    #[test]
    fn a_tool_is_listed_as_its_manifest_has_it() {
        assert_eq!(
            listed(
                &json!({}),
                &json!({"read_only": true, "idempotent": true, "open_world": false})
            ),
            json!({
                "name": "text-stats_count-words",
                "title": "Count words",
                "description": "Counts.",
                "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
                "outputSchema": {"type": "object"},
                "annotations": {
                    "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false,
                },
            })
        );
    }

    #[test]
    fn claims_that_are_not_made_are_not_listed() {
        assert_eq!(listed(&json!({}), &json!({})).get("annotations"), None);
    }

    #[test]
    fn a_skill_that_can_change_something_is_never_shown_as_read_only() {
        let files = |access: &str| json!({"filesystem": {"access": access, "reason": "r"}});
        let http = |method: &str| json!({"http": {"origins": ["https://a.test"], "methods": [method], "reason": "r"}});
        let sockets = json!({"sockets": {"tcp": ["*:5432"], "reason": "r"}});
        for (capabilities, expected) in [
            (json!({}), true),
            (files("read-only"), true),
            (files("read-write"), false),
            (http("GET"), false),
            (http("POST"), false),
            (sockets, false),
            (json!({"state": {"reason": "r"}}), false),
        ] {
            let listed = listed(&capabilities, &json!({"read_only": true}));
            assert_eq!(
                listed["annotations"]["readOnlyHint"], expected,
                "{capabilities}"
            );
        }
    }

    #[test]
    fn a_skill_that_sends_requests_is_open_world_whatever_it_claims() {
        let capabilities = json!({"http": {"origins": ["https://a.test"], "reason": "r"}});
        for claimed in [json!({}), json!({"open_world": false})] {
            let listed = listed(&capabilities, &claimed);
            assert_eq!(listed["annotations"], json!({"openWorldHint": true}));
        }
    }

    #[test]
    fn what_is_granted_counts_as_what_is_wanted_does() {
        let capabilities = json!({
            "filesystem": {"access": "read-write", "reason": "r", "optional": true},
            "http": {"origins": ["https://a.test"], "reason": "r", "optional": true},
        });
        let manifest = manifest(&capabilities, &json!({"read_only": true}));
        let mut operator = OperatorGrant::default();
        operator.http.push("https://a.test".parse().unwrap());
        let ceiling = Ceiling::default();
        let granted = policy::decide(&manifest, &operator, &Limits::default(), &ceiling).unwrap();
        let claimed = manifest.tools[0].annotations;
        let shown = annotations(&Capabilities::default(), Some(&granted), claimed);
        assert_eq!(
            (shown.read_only_hint, shown.open_world_hint),
            (Some(false), Some(true))
        );
        let nothing = OperatorGrant::default();
        let nothing = policy::decide(&manifest, &nothing, &Limits::default(), &ceiling).unwrap();
        let shown = annotations(&Capabilities::default(), Some(&nothing), claimed);
        assert_eq!(
            (shown.read_only_hint, shown.open_world_hint),
            (Some(true), None)
        );
        let shown = annotations(&manifest.capabilities, Some(&nothing), claimed);
        assert_eq!(shown.read_only_hint, Some(false));
    }

    #[test]
    fn a_page_has_an_end_and_says_where_it_goes_on() {
        let manifest = manifest(&json!({}), &json!({}));
        let mut one = Definition::new(&manifest, None, &manifest.tools[0], &Names::new());
        let mut page = Page::default();
        assert_eq!((0..1000).filter(|_| page.takes(&one)).count(), MAX_TOOLS);
        let list = page.done(true, true);
        assert_eq!(list.next_cursor.as_deref(), Some("text-stats_count-words"));
        one.size = MAX_BYTES + 1;
        let mut page = Page::default();
        assert_eq!((0..3).filter(|_| page.takes(&one)).count(), 1);
        assert_eq!(page.done(false, true).next_cursor, None);
    }

    #[test]
    fn a_cursor_that_no_list_gave_is_refused() {
        assert!(after("text-stats_count-words").is_ok());
        let long = format!("a_{}", "b".repeat(100_000));
        for cursor in [
            "", "2", "a", "_b", "a_", "a_b_c", "A_b", "a_../b", "a_b\n", &long,
        ] {
            assert_eq!(after(cursor).unwrap_err().code.0, -32602, "{cursor:.20}");
        }
    }
}
