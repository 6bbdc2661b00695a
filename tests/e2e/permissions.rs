//! Who reaches what: every cell of subaccount, service and location, and that nobody can tell
//! another tenant's service from one that does not exist.

use causeway::{config::ProxyConfig, engine::Kind};

use crate::support::{Answer, Ask, HOST, Service, ServiceMapping, Suite, World, put};

pub fn add(suite: &mut Suite) {
    suite.both("only_the_permitted_cells_of_the_matrix_answer_200", matrix);
    suite.both("a_certificate_bound_to_a_location_claims_no_other", bound_certificates);
    suite.both("a_foreign_service_answers_byte_for_byte_like_a_missing_one", foreign_is_missing);
    suite.both("rfc_and_tcp_services_of_one_id_are_two_services", rfc_and_tcp);
    suite.both("a_dedicated_proxy_serves_its_one_tenant_only", dedicated);
}

pub const SUBACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
pub const SERVICES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
pub const LOCATIONS: [&str; 3] = ["", "plant", "lab"];

type Cell = (&'static str, &'static str, Option<&'static [&'static str]>);

/// Subaccount, service, locations. `gamma` belongs to two tenants and is two services.
const MAPPED: [Cell; 6] = [
    ("a", "alpha", None),
    ("b", "beta", Some(&["plant"])),
    ("c", "gamma", Some(&["", "plant", "lab"])),
    ("a", "gamma", Some(&["lab", ""])),
    ("d", "delta", Some(&["lab", "Plant"])),
    ("d", "alpha", Some(&[""])),
];

/// What design §2 says about a cell.
fn expected(subaccount: &str, service: &str, location: &str) -> u16 {
    match MAPPED.iter().find(|cell| (cell.0, cell.1) == (subaccount, service)) {
        None => 404,
        Some((_, _, locations)) if locations.unwrap_or(&[""]).contains(&location) => 200,
        Some(_) => 403,
    }
}

/// A proxy with all of [`MAPPED`]; every service says whose it is.
pub fn mapped_world(kind: Kind) -> World {
    let mut world = World::new(kind);
    for (subaccount, service, locations) in MAPPED {
        let says = Service::banner(format!("{subaccount}/{service}"));
        world.map(subaccount, service, &says.address.to_string(), locations);
    }
    world.start_proxy("");
    world
}

fn assert_reached(answer: &Answer, status: u16, whose: &str, cell: &str) {
    assert_eq!(answer.status(), status, "{cell}: {}", answer.text());
    if status == 200 {
        assert_eq!(answer.body(), whose, "{cell}");
    }
}

fn matrix(kind: Kind) {
    let world = mapped_world(kind);
    let mut seen = std::collections::BTreeMap::new();
    for subaccount in SUBACCOUNTS {
        let client = world.client(subaccount, None);
        for service in SERVICES {
            for location in LOCATIONS {
                let answer = Ask::for_service(service).from(location).send(&world, &client);
                let status = expected(subaccount, service, location);
                let cell = format!("{subaccount} asks for {service} from {location:?}");
                assert_reached(&answer, status, &format!("{subaccount}/{service}"), &cell);
                *seen.entry(status).or_insert(0) += 1;
            }
            let silent = Ask::for_service(service).send(&world, &client);
            let said = Ask::for_service(service).from("").send(&world, &client);
            assert_eq!(silent, said, "no location header is the default location");
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(200, 9), (403, 9), (404, 30)]);
}

fn bound_certificates(kind: Kind) {
    let world = mapped_world(kind);
    for (subaccount, bound) in [("b", "plant"), ("c", "lab"), ("d", "lab"), ("a", "plant")] {
        let client = world.client(subaccount, Some(bound));
        for service in SERVICES {
            for location in LOCATIONS {
                let answer = Ask::for_service(service).from(location).send(&world, &client);
                let status =
                    if location == bound { expected(subaccount, service, location) } else { 403 };
                let cell = format!("{subaccount} bound to {bound}: {service} from {location:?}");
                assert_reached(&answer, status, &format!("{subaccount}/{service}"), &cell);
            }
            let silent = Ask::for_service(service).send(&world, &client);
            assert_eq!(silent.status(), 403, "no header claims the default location");
        }
    }
}

fn foreign_is_missing(kind: Kind) {
    let world = mapped_world(kind);
    let free = [world.client("a", None), world.client("stranger", None)];
    let bound = world.client("a", Some("plant"));
    for client in free.iter().chain([&bound]) {
        for location in LOCATIONS {
            for service_type in ["TCP", "RFC"] {
                let ask = |service| {
                    Ask::for_service(service)
                        .from(location)
                        .of_type(service_type)
                        .send(&world, client)
                };
                let missing = ask("nobodys");
                for foreign in ["beta", "delta"] {
                    assert_eq!(ask(foreign), missing, "{foreign} from {location:?}");
                }
            }
        }
    }
    let missing = Ask::for_service("nobodys").send(&world, &free[0]).text();
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    for secret in ["beta", "nobodys", "127.0.0.1", "plant"] {
        assert!(!missing.contains(secret), "{missing}");
    }
}

fn rfc_and_tcp(kind: Kind) {
    let mut world = World::new(kind);
    let (tcp, rfc, only) =
        (Service::banner("tcp"), Service::banner("rfc"), Service::banner("only"));
    let both = ServiceMapping::new("both", tcp.address);
    let other = ServiceMapping { name: "both-rfc", service_type: "RFC", ..both.clone() };
    let other = ServiceMapping { address: rfc.address.to_string(), ..other };
    let only = ServiceMapping { service_type: "RFC", ..ServiceMapping::new("only", only.address) };
    let text = [both.text(), other.text(), only.text()].join("---\n");
    put(&world.path("mappings/all.yaml"), &text);
    world.start_proxy("");
    let client = world.client("a", None);
    let ask =
        |service, service_type| Ask { service, service_type, location: None }.send(&world, &client);
    for (service_type, says) in [(None, "tcp"), (Some("TCP"), "tcp"), (Some("RFC"), "rfc")] {
        let answer = ask("both", service_type);
        assert_eq!((answer.status(), answer.body().as_str()), (200, says), "{service_type:?}");
    }
    assert_eq!(ask("only", Some("RFC")).body(), "only");
    assert_eq!(ask("only", Some("TCP")).status(), 404);
    assert_eq!(ask("only", None), ask("missing", None));
    assert_eq!(ask("both", Some("UDP")).status(), 400);
}

fn dedicated(kind: Kind) {
    let mut world = World::new(kind);
    let (own, named) = (Service::banner("own"), Service::banner("named"));
    let own = ServiceMapping { subaccount: None, ..ServiceMapping::new("own", own.address) };
    let named = ServiceMapping::new("named", named.address);
    put(&world.path("mappings/all.yaml"), &[own.text(), named.text()].join("---\n"));
    let config = format!(
        "[tunnel]\nlisten = \"127.0.0.1:0\"\nexternal_host = \"{HOST}\"\n[tunnel.tls]\n\
         certificate = \"server.crt\"\nprivate_key = \"server.key\"\nclient_ca = \"ca.crt\"\n\
         [tenancy]\nmode = \"dedicated\"\nsubaccount_id = \"a\"\n[mappings]\n\
         directory = \"mappings\"\n"
    );
    let config = ProxyConfig::parse(&config, world.base()).unwrap();
    world.start_proxy_with(&config);
    let (tenant, other) = (world.client("a", None), world.client("b", None));
    for service in ["own", "named"] {
        let answer = Ask::for_service(service).send(&world, &tenant);
        assert_eq!((answer.status(), answer.body().as_str()), (200, service));
        let refused = Ask::for_service(service).send(&world, &other);
        assert_eq!(refused.status(), 404, "{}", refused.text());
        assert_eq!(refused, Ask::for_service("missing").send(&world, &other));
    }
}
