//! The OpenAPI document against the server that serves it. What the answers look like is schemathesis' to check.

use std::collections::BTreeSet;

use super::*;

fn paths(bench: &Bench) -> serde_json::Map<String, Value> {
    bench.get("/openapi.json").json(200)["paths"].as_object().unwrap().clone()
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let documented: BTreeSet<String> = paths(&Bench::new()).keys().cloned().collect();
    let strings = include_str!("../server.rs").split('"').skip(1).step_by(2);
    let routes: BTreeSet<String> =
        strings.filter(|text| text.starts_with('/')).map(|route| route.replace(":.*", "")).collect();
    assert_eq!(documented, routes);
}

#[test]
fn documented_methods_are_those_that_a_route_allows() {
    let bench = Bench::new();
    for (path, methods) in paths(&bench) {
        let target = path.replace("{height}", "1").replace(['{', '}'], "");
        let reply = bench.call(&Request::new("PATCH", &target));
        reply.problem(405, "no-method");
        let allowed: BTreeSet<String> = reply
            .header("allow")
            .unwrap()
            .split(", ")
            .map(str::to_lowercase)
            .filter(|method| method != "head")
            .collect();
        assert_eq!(methods.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), allowed, "{path}");
    }
}

#[test]
fn problems_are_documented_where_they_occur() {
    for (path, methods) in paths(&Bench::new()) {
        for (method, operation) in methods.as_object().unwrap() {
            let is_whole = matches!(&*path, "/" | "/metrics" | "/openapi.json" | "/v1/status");
            let documents = operation["responses"].get("default").is_some();
            assert_eq!(documents, !is_whole, "{method} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = Bench::new().get("/openapi.json").json(200);
    let text = document.to_string();
    let references: BTreeSet<&str> =
        text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
