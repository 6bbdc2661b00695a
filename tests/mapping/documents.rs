//! Single documents: what is accepted, and what is said of the others.

use causeway::mapping::{Address, ServiceType, Tenancy};

use crate::{GOOD, dedicated, named, parse};

#[test]
fn a_whole_document_is_read_with_its_place() {
    let (mappings, problems) = parse(&format!("# echo\n---\n{GOOD}"), &Tenancy::Shared);
    assert_eq!(problems, []);
    let [mapping] = &mappings[..] else { panic!("{mappings:?}") };
    assert_eq!(mapping.name, "echo");
    assert_eq!(mapping.service_type, ServiceType::Tcp);
    assert_eq!((&*mapping.subaccount, &*mapping.service), ("alpha", "echoserver"));
    assert_eq!(mapping.tenant.as_deref(), Some("tenant-1"));
    assert_eq!(mapping.address.to_string(), "echo.default.svc:8080");
    assert_eq!(mapping.locations, ["", "plant"]);
    assert_eq!(mapping.source.to_string(), "m.yaml:3");
}

#[test]
fn variations_of_a_document_are_accepted() {
    let cases: &[(&str, &str, &str)] = &[
        ("RFC", "type: TCP", "type: RFC"),
        ("IPv6", "echo.default.svc:8080", "\"[::1]:8080\""),
        ("loopback", "echo.default.svc:8080", "127.0.0.1:8080"),
        ("service host", "echoserver", "My_Service.v1~x"),
        ("labels", "  name: echo", "  name: echo\n  labels: {app: x}\n  annotations: {}"),
        ("status", "spec:", "status:\n  endpoint: tcp://cp:443/x\nspec:"),
        ("null tenant", "tenantId: tenant-1", "tenantId:"),
        ("carriage returns", "\n", "\r\n"),
        ("byte order mark", "apiVersion:", "\u{feff}apiVersion:"),
        ("anchors", "serviceId: echoserver", "serviceId: &id echoserver"),
    ];
    for (case, from, to) in cases {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{case} changes nothing");
        let (mappings, problems) = parse(&text, &Tenancy::Shared);
        assert_eq!(problems, [], "{case}");
        assert_eq!(mappings.len(), 1, "{case}");
    }
}

/// Replacement in the good document; the line, field and part of the message it must give.
#[rustfmt::skip]
const BAD: &[(&str, &str, usize, Option<&str>, &str)] = &[
    ("connectivityproxy.sap", "servicemapping.connectivityproxy.sap", 1, Some("apiVersion"),
     "write `connectivityproxy.sap.com/v1`"),
    ("com/v1", "com/v2", 1, Some("apiVersion"), "only `connectivityproxy.sap.com/v1`"),
    ("kind: ServiceMapping", "kind: Service", 2, Some("kind"), "write `ServiceMapping`"),
    ("  name: echo", "  name: Echo", 4, Some("metadata.name"), "not a Kubernetes name"),
    ("  name: echo", "  labels: {}", 3, Some("metadata.name"), "is missing"),
    ("spec:", "specs:", 5, Some("specs"), "is no field"),
    ("type: TCP", "type: JDBC", 6, Some("spec.type"), "JDBC is not supported"),
    ("type: TCP", "type: tcp", 6, Some("spec.type"), "write `TCP` in capitals"),
    ("type: TCP", "type: UDP", 6, Some("spec.type"), "write `TCP` or `RFC`"),
    ("  type: TCP\n", "", 5, Some("spec.type"), "is missing"),
    ("  subaccountId: alpha\n", "", 5, Some("spec.subaccountId"), "many subaccounts"),
    ("subaccountId: alpha", "subaccountId: 4711", 7, Some("spec.subaccountId"), "in quotes"),
    ("subaccountId: alpha", "subaccountId: ''", 7, Some("spec.subaccountId"), "is empty"),
    ("echoserver", "echo server", 8, Some("spec.serviceId"), "' ' at position 5"),
    ("echoserver", "echo/x", 8, Some("spec.serviceId"), "'/' at position 5"),
    ("echoserver", "echo:80", 8, Some("spec.serviceId"), "':' at position 5"),
    ("echoserver", "größe", 8, Some("spec.serviceId"), "'ö' at position 3"),
    ("echoserver", "100%", 8, Some("spec.serviceId"), "'%'"),
    ("echoserver", "'[x]'", 8, Some("spec.serviceId"), "'['"),
    ("echoserver", "yes", 8, Some("spec.serviceId"), "a boolean"),
    ("echoserver", "", 8, Some("spec.serviceId"), "is missing"),
    ("serviceId", "serviceID", 8, Some("spec.serviceID"), "write `serviceId`"),
    ("tenantId: tenant-1", "tenantId: [a]", 9, Some("spec.tenantId"), "is a list"),
    (".svc:8080", ".svc", 10, Some("spec.internalAddress"), "not host:port"),
    (".svc:8080", ".svc:0", 10, Some("spec.internalAddress"), "1 to 65535"),
    (".svc:8080", ".svc:65536", 10, Some("spec.internalAddress"), "1 to 65535"),
    (".svc:8080", ".svc:+80", 10, Some("spec.internalAddress"), "1 to 65535"),
    ("echo.default", "tcp://echo.default", 10, Some("spec.internalAddress"), "remove `tcp://`"),
    ("echo.default.svc", "'::1", 10, None, "not valid YAML"),
    ("echo.default.svc:8080", "'::1:80'", 10, Some("spec.internalAddress"), "brackets"),
    ("echo.default.svc:8080", "'[::g]:80'", 10, Some("spec.internalAddress"), "IPv6"),
    ("echo.default.svc", "300.1.1.1", 10, Some("spec.internalAddress"), "IPv4"),
    ("echo.default.svc", "ec ho", 10, Some("spec.internalAddress"), "' '"),
    ("echo.default.svc", "-echo", 10, Some("spec.internalAddress"), "DNS name"),
    ("[\"\", plant]", "plant", 11, Some("spec.locationIds"), "write a list"),
    ("[\"\", plant]", "[]", 11, Some("spec.locationIds"), "empty list"),
    ("[\"\", plant]", "[7]", 11, Some("spec.locationIds[0]"), "in quotes"),
    ("[\"\", plant]", "\n  - a\n  -", 13, Some("spec.locationIds[1]"), "default location"),
    ("[\"\", plant]", "\n  - a\n  - 'ä'", 13, Some("spec.locationIds[1]"), "header"),
    ("  locationIds", "  weight: 3\n  locationIds", 11, Some("spec.weight"), "is no field"),
    ("  type: TCP", "  type: TCP\n  type: TCP", 7, None, "not valid YAML"),
    ("spec:\n  type", "spec:\n\ttype", 6, None, "not valid YAML"),
];

#[test]
fn a_wrong_document_names_line_field_and_remedy() {
    for (from, to, line, field, message) in BAD {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not in the document");
        // The same document further down a file reports its place in the file.
        for (offset, text) in [(0, text.clone()), (12, format!("{GOOD}---\n{text}"))] {
            let (mappings, problems) = parse(&text, &Tenancy::Shared);
            assert_eq!(mappings.len(), usize::from(offset > 0), "{to}: {mappings:?}");
            let hit = problems.iter().any(|problem| {
                problem.line == line + offset
                    && problem.field.as_deref() == *field
                    && problem.message.contains(message)
            });
            assert!(hit, "{to}: want {line}: {field:?}: {message}, got {problems:#?}");
        }
    }
}

#[test]
fn every_problem_of_a_document_is_reported_at_once() {
    let text = GOOD.replace("TCP", "UDP").replace(":8080", "").replace("echoserver", "a b");
    let (_, problems) = parse(&text, &Tenancy::Shared);
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [6, 8, 10], "{problems:#?}");
    let shown = problems[0].to_string();
    assert_eq!(shown, "m.yaml:6: spec.type: is `UDP`; write `TCP` or `RFC`");
}

#[test]
fn other_documents_of_a_file_outlive_broken_syntax() {
    let broken = "spec: [unclosed\n  \"quote: }\n@\n";
    let text = format!(
        "{}--- # second\n{broken}---\n{}...\n%YAML 1.2\n---\n{}---\n---\n# nothing\n",
        named("one", "s1"),
        named("two", "s2"),
        named("three", "s3")
    );
    let (mappings, problems) = parse(&text, &Tenancy::Shared);
    let services: Vec<_> = mappings.iter().map(|mapping| &*mapping.service).collect();
    assert_eq!(services, ["s1", "s2", "s3"]);
    let sources: Vec<_> = mappings.iter().map(|mapping| mapping.source.line).collect();
    assert_eq!(sources, [1, 17, 31]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!((12..=16).contains(&problems[0].line), "{problems:#?}");
}

#[test]
fn a_list_as_kubectl_prints_it_gives_its_items() {
    let item = |text: &str| format!("- {}", text.trim_end().replace('\n', "\n  "));
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}\n{}\n",
        item(&named("one", "s1")),
        item(&named("two", "s 2"))
    );
    let (mappings, problems) = parse(&text, &Tenancy::Shared);
    assert_eq!(mappings.len(), 1);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].field.as_deref(), Some("items[1].spec.serviceId"));
    assert_eq!(problems[0].line, 3 + 11 + 8);
}

#[test]
fn a_dedicated_proxy_fills_in_its_subaccount_and_takes_no_other() {
    let (mappings, problems) = parse(&GOOD.replace("  subaccountId: alpha\n", ""), &dedicated());
    assert_eq!(problems, []);
    assert_eq!(mappings[0].subaccount, "alpha");
    assert_eq!(parse(GOOD, &dedicated()).0.len(), 1);
    let (mappings, problems) = parse(&GOOD.replace("alpha", "beta"), &dedicated());
    assert!(mappings.is_empty());
    assert_eq!((problems[0].line, problems[0].field.as_deref()), (7, Some("spec.subaccountId")));
}

#[test]
fn left_out_locations_mean_the_default_one() {
    let (mappings, _) = parse(&GOOD.replace("  locationIds: [\"\", plant]\n", ""), &dedicated());
    assert_eq!(mappings[0].locations, [""]);
}

#[test]
fn addresses_display_as_they_are_written() {
    for text in ["a.b:1", "[fd00::1]:65535", "10.0.0.1:80", "under_score.svc.:8080"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
    }
    let (mappings, problems) = parse(&format!("{bomb}---\n{GOOD}"), &Tenancy::Shared);
    assert_eq!((mappings.len(), problems.len()), (1, 1));
}
