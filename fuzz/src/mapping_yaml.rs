//! Files of mappings.

use std::path::Path;

use causeway::mapping::{MappingTable, Tenancy, parse_documents};

/// Any text becomes mappings that can be asked for, and problems that point into it.
pub fn mapping_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Every break of YAML 1.2 §5.4 begins a line; CR LF counts twice here, which only loosens.
    let lines = text.split(['\n', '\r']).count();
    for tenancy in [Tenancy::Shared, Tenancy::Dedicated { subaccount: "acme".to_owned() }] {
        let (mappings, problems) = parse_documents(Path::new("m.yaml"), &text, &tenancy);
        for problem in &problems {
            let line = problem.line;
            assert!((1..=lines + 1).contains(&line), "line {line} of {lines}: {problem}");
        }
        let count = mappings.len();
        let (table, twice) = MappingTable::build(mappings.clone(), &MappingTable::default());
        assert_eq!(table.iter().count() + twice.len(), count);
        for mapping in &mappings {
            let location = mapping.locations.first().map_or("", String::as_str);
            let (kind, subaccount) = (mapping.service_type, &mapping.subaccount);
            let asked = table.authorise(kind, subaccount, &mapping.service, location);
            assert!(asked.is_ok() || !twice.is_empty(), "{mapping:?}");
        }
    }
}
