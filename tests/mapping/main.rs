//! Service mappings as an administrator writes them and as a CONNECT asks for them.

mod directory;
mod documents;
mod mutation;
mod table;

use std::path::Path;

use causeway::mapping::{Mapping, Problem, Tenancy, parse_documents};

const GOOD: &str = "\
apiVersion: connectivityproxy.sap.com/v1
kind: ServiceMapping
metadata:
  name: echo
spec:
  type: TCP
  subaccountId: alpha
  serviceId: echoserver
  tenantId: tenant-1
  internalAddress: echo.default.svc:8080
  locationIds: [\"\", plant]
";

fn dedicated() -> Tenancy {
    Tenancy::Dedicated { subaccount: "alpha".to_owned() }
}

fn parse(text: &str, tenancy: &Tenancy) -> (Vec<Mapping>, Vec<Problem>) {
    parse_documents(Path::new("m.yaml"), text, tenancy)
}

/// A document with `serviceId` and `name` replaced; line 8 is its serviceId.
fn named(name: &str, service: &str) -> String {
    GOOD.replace("name: echo", &format!("name: {name}")).replace("echoserver", service)
}
