//! What a CONNECT costs before anything is dialled.

use std::hint::black_box;

use causeway::{
    mapping::{MappingTable, ServiceType, Tenancy, parse_documents},
    protocol::http1::parse_request,
};
use criterion::Criterion;

const SERVICES: usize = 10_000;

fn table() -> MappingTable {
    let mut text = String::new();
    for number in 0..SERVICES {
        text.push_str(&format!(
            "---\napiVersion: connectivityproxy.sap.com/v1\nkind: ServiceMapping\n\
             metadata: {{name: m{number}}}\nspec:\n  type: TCP\n  subaccountId: s{}\n  \
             serviceId: service-{number}\n  internalAddress: host-{number}:80\n",
            number % 100
        ));
    }
    let (mappings, problems) = parse_documents("bench.yaml".as_ref(), &text, &Tenancy::Shared);
    assert!(problems.is_empty(), "{problems:?}");
    MappingTable::build(mappings, &MappingTable::default()).0
}

pub(crate) fn mapping_lookup(criterion: &mut Criterion) {
    let table = table();
    assert_eq!(table.len(), SERVICES);
    let name = "mapping lookup among 10 000";
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            table.authorise(ServiceType::Tcp, black_box("s42"), black_box("service-4242"), "")
        });
    });
    assert!(table.authorise(ServiceType::Tcp, "s42", "service-4242", "").is_ok());
}

pub(crate) fn connect_head(criterion: &mut Criterion) {
    const HEAD: &[u8] = b"CONNECT echo:80 HTTP/1.1\r\nHost: echo:80\r\n\
        User-Agent: curl/8.5.0\r\nProxy-Connection: Keep-Alive\r\n\
        SAP-Connectivity-SCC-Location_ID: plant-1\r\n\
        traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    assert!(parse_request(HEAD).is_ok());
    criterion.bench_function("CONNECT head, HTTP/1.1", |bencher| {
        bencher.iter(|| parse_request(black_box(HEAD)).is_ok());
    });
}
