//! The table: who may open a stream to what, and how many.

use std::sync::Arc;
use std::time::Instant;

use causeway::mapping::{Address, Denied, Mapping, MappingTable, Quota, ServiceType, Spent};

/// Subaccounts × services × locations against the rule written out once more.
#[test]
fn only_the_own_subaccount_at_an_allowed_location_gets_through() {
    let subaccounts = ["alpha", "beta", "Alpha", "gamma"];
    let services = ["echo", "Echo", "shared", "absent"];
    let locations = ["", "plant", "Plant"];
    let types = [ServiceType::Tcp, ServiceType::Rfc];
    let rules: [(ServiceType, &str, &str, &[&str]); 5] = [
        (ServiceType::Tcp, "alpha", "echo", &[""]),
        (ServiceType::Tcp, "alpha", "shared", &["plant", ""]),
        (ServiceType::Tcp, "beta", "shared", &["plant"]),
        (ServiceType::Rfc, "alpha", "echo", &["Plant"]),
        (ServiceType::Tcp, "gamma", "Echo", &["", "plant", "Plant"]),
    ];
    let mappings = rules.iter().map(|rule| mapping(rule.0, rule.1, rule.2, rule.3)).collect();
    let (table, problems) = MappingTable::build(mappings, &MappingTable::default());
    assert_eq!(problems, []);
    let mut granted = 0;
    for service_type in types {
        for subaccount in subaccounts {
            for service in services {
                for location in locations {
                    let rule = rules.iter().find(|rule| {
                        (rule.0, rule.1, rule.2) == (service_type, subaccount, service)
                    });
                    let wanted = match rule {
                        None => Err(Denied::NoSuchMapping),
                        Some(rule) if rule.3.contains(&location) => Ok(subaccount),
                        Some(_) => Err(Denied::LocationNotAllowed),
                    };
                    let grant = table.authorise(service_type, subaccount, service, location);
                    let found = grant.map(|grant| &*grant.mapping.subaccount);
                    assert_eq!(found, wanted, "{service_type} {subaccount} {service} {location}");
                    granted += usize::from(found.is_ok());
                }
            }
        }
    }
    assert_eq!(granted, 8);
}

fn mapping(kind: ServiceType, subaccount: &str, service: &str, locations: &[&str]) -> Mapping {
    Mapping {
        name: format!("{kind}-{subaccount}-{service}"),
        service_type: kind,
        subaccount: subaccount.to_owned(),
        service: service.to_owned(),
        tenant: None,
        address: Address { host: "127.0.0.1".to_owned(), port: 80 },
        locations: locations.iter().map(|&location| location.to_owned()).collect(),
        sources: Vec::new(),
        proxy_header: false,
        source: "test.yaml:1".into(),
    }
}

const QUOTA: Quota =
    Quota { streams_max: 1, tunnels_max: 1, opens_per_second_max: 0, bytes_per_second_max: 0 };

#[test]
fn a_subaccounts_limit_holds_across_reloads() {
    let only = || vec![mapping(ServiceType::Tcp, "alpha", "echo", &[""])];
    let empty = MappingTable::default();
    let usage = |table: &MappingTable| {
        Arc::clone(table.authorise(ServiceType::Tcp, "alpha", "echo", "").unwrap().usage)
    };
    let (now, quota) = (Instant::now(), Quota { streams_max: 2, ..QUOTA });
    let (first, _) = MappingTable::build(only(), &empty);
    usage(&first).set_quota(&quota);
    let permit = usage(&first).try_open(now).unwrap();
    let (second, _) = MappingTable::build(only(), &first);
    let other = usage(&second).try_open(now).unwrap();
    assert_eq!(usage(&second).try_open(now).err(), Some(Spent::Streams));
    assert_eq!(usage(&first).try_open(now).err(), Some(Spent::Streams));

    // The mappings go while streams are open, and come back.
    let (gone, _) = MappingTable::build(Vec::<Mapping>::new(), &second);
    let (still_gone, _) = MappingTable::build(Vec::<Mapping>::new(), &gone);
    drop((first, second, gone));
    assert_eq!(
        still_gone.authorise(ServiceType::Tcp, "alpha", "echo", "").unwrap_err(),
        Denied::NoSuchMapping
    );
    let (back, _) = MappingTable::build(only(), &still_gone);
    assert_eq!(usage(&back).open(), 2);
    drop((permit, other));
    assert_eq!(usage(&back).open(), 0);
}

#[test]
fn a_subaccount_without_mappings_and_streams_is_forgotten() {
    let only = vec![mapping(ServiceType::Tcp, "alpha", "echo", &[""])];
    let (mut table, _) = MappingTable::build(only, &MappingTable::default());
    for _ in 0..3 {
        table = MappingTable::build(Vec::<Mapping>::new(), &table).0;
    }
    assert_eq!(table.tenants().count(), 0);
}

#[test]
fn permits_never_exceed_the_limit_whoever_races_for_them() {
    let (table, _) = MappingTable::build(
        vec![mapping(ServiceType::Tcp, "alpha", "echo", &[""])],
        &MappingTable::default(),
    );
    let usage = table.authorise(ServiceType::Tcp, "alpha", "echo", "").unwrap().usage;
    usage.set_quota(&Quota { streams_max: 3, ..QUOTA });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let permit = usage.try_open(Instant::now());
                    assert!(usage.open() <= 3);
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(usage.open(), 0);
}
