//! Tools as MCP lists them.

use std::sync::Arc;

use rmcp::model::{Tool, ToolAnnotations};

use super::caller::Caller;
use super::names::{self, Names};
use crate::host::Host;
use crate::manifest::{self, Capabilities, Manifest};
use crate::policy::directory::Access;
use crate::registry::Loaded;

/// The tools of all skills that a caller may call, always in the same order.
pub(super) fn all(host: &Host, caller: &Caller) -> Vec<Tool> {
    let of_one = |skill: &Arc<Loaded>| {
        let manifest = skill.manifest();
        let offered = |tool: &&manifest::Tool| {
            let scope = caller.scope.as_deref();
            host.offers(&caller.principal, scope, skill, &tool.name)
        };
        let tools = manifest.tools.iter().filter(offered);
        tools
            .map(|tool| definition(manifest, tool, &skill.names))
            .collect::<Vec<_>>()
    };
    host.skills().iter().flat_map(of_one).collect()
}

fn definition(manifest: &Manifest, tool: &manifest::Tool, names: &Names) -> Tool {
    let mut definition = Tool::new(
        names::listed(&manifest.name, &tool.name, names),
        tool.description.clone(),
        tool.input_schema.clone(),
    );
    definition.title.clone_from(&tool.title);
    definition.output_schema = tool.output_schema.clone().map(Arc::new);
    let annotations = annotations(&manifest.capabilities, tool.annotations);
    definition.annotations = (annotations != ToolAnnotations::new()).then_some(annotations);
    definition
}

/// What the author claims, unless the capabilities that the skill wants say
/// otherwise: clients may skip asking their user on the strength of a hint.
fn annotations(wanted: &Capabilities, claimed: manifest::Annotations) -> ToolAnnotations {
    let read_only = claimed.read_only.map(|claim| claim && !may_change(wanted));
    let open_world = if reaches_out(wanted) {
        Some(true)
    } else {
        claimed.open_world
    };
    ToolAnnotations::from_raw(
        None,
        read_only,
        claimed.destructive,
        claimed.idempotent,
        open_world,
    )
}

fn may_change(wanted: &Capabilities) -> bool {
    let writes = wanted
        .filesystem
        .as_ref()
        .is_some_and(|it| it.access == Access::ReadWrite);
    let sends = wanted.http.as_ref().is_some_and(|it| {
        let mut methods = it.methods.iter();
        methods.any(|method| method != "GET" && method != "HEAD")
    });
    writes || sends || wanted.sockets.is_some()
}

fn reaches_out(wanted: &Capabilities) -> bool {
    wanted.http.is_some() || wanted.sockets.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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
        serde_json::to_value(definition(&manifest, &manifest.tools[0], &Names::new())).unwrap()
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
        let http =
            |method: &str| json!({"http": {"origins": ["*"], "methods": [method], "reason": "r"}});
        for (capabilities, expected) in [
            (json!({}), true),
            (files("read-only"), true),
            (files("read-write"), false),
            (http("GET"), true),
            (http("HEAD"), true),
            (http("POST"), false),
            (http("DELETE"), false),
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
}
