//! Mapping files change while the proxy runs: each change is in force within a second and touches
//! no stream but those it takes the permission from.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::symlink,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use causeway::engine::Kind;

use crate::support::{
    Ask, ClientFiles, Flow, Service, ServiceMapping, Suite, World, put, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("mapping_created_changed_and_deleted_is_in_force_in_a_second", live_changes);
    suite.both("a_deleted_mapping_ends_exactly_its_streams_as_an_abort", deletion);
    suite.both("a_location_taken_away_ends_exactly_the_streams_of_that_location", location_removed);
    suite.both("a_changed_address_leaves_running_streams_alone", address_changed);
    suite.both("a_bad_document_disables_only_itself_and_says_where", bad_document);
    suite.both("of_two_mappings_of_one_key_the_first_file_wins", duplicates);
    suite.both("a_directory_swapped_by_symlink_is_noticed_as_a_whole", symlink_swap);
}

/// A change is in force after this long (design §6, `config/proxy.toml`).
const IN_FORCE: Duration = Duration::from_secs(1);

/// Asks again and again until the proxy answers as it should from now on; prints how long.
fn in_force(world: &World, client: &ClientFiles, ask: Ask<'_>, status: u16, says: &str) {
    let took = wait_until(&format!("{ask:?} answers {status} {says}"), IN_FORCE, || {
        // A look that was under way when its mapping went is aborted, as it must be.
        let answer = ask.try_send(world, client);
        answer.is_ok_and(|answer| {
            answer.status() == status && (status != 200 || answer.body() == says)
        })
    });
    println!("{} {}: {status} {says} after {} ms", world.kind, ask.service, took.as_millis());
}

/// An echo service that tells how each of its connections ended.
fn watched_echo() -> (Service, Receiver<Result<(), ErrorKind>>) {
    let (ended, endings) = channel();
    let service = Service::start(move |mut stream| {
        let mut bytes = vec![0; 64 * 1024];
        let ending = loop {
            match stream.read(&mut bytes) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    if let Err(error) = stream.write_all(&bytes[..read]) {
                        break Err(error.kind());
                    }
                }
                Err(error) => break Err(error.kind()),
            }
        };
        let _ = ended.send(ending);
    });
    (service, endings)
}

fn assert_all_go_on(flows: &[Flow]) {
    for flow in flows {
        flow.assert_goes_on();
    }
}

fn live_changes(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("busy", echo.address), ("calm", echo.address)]);
    let (_connector, channels) = world.connector(&["busy", "calm"]);
    let flows: Vec<Flow> =
        channels.iter().flat_map(|channel| [*channel; 3]).map(Flow::start).collect();
    let client = world.client("a", None);
    let (first, second) = (Service::banner("first"), Service::banner("second"));
    let new = Ask::for_service("new");
    assert_eq!(new.send(&world, &client).status(), 404);
    for round in 0..3 {
        world.map("a", "new", &first.address.to_string(), None);
        in_force(&world, &client, new, 200, "first");
        world.map("a", "new", &second.address.to_string(), None);
        in_force(&world, &client, new, 200, "second");
        assert_eq!(world.proxy().details()["mappings"], 3, "round {round}");
        world.unmap("a", "new");
        in_force(&world, &client, new, 404, "");
        assert_all_go_on(&flows);
    }
    for flow in flows {
        assert!(flow.finish() > 0);
    }
}

fn deletion(kind: Kind) {
    let ((gone, gone_endings), (kept, kept_endings)) = (watched_echo(), watched_echo());
    let world = World::with_services(kind, &[("gone", gone.address), ("kept", kept.address)]);
    world.map("b", "gone", &kept.address.to_string(), None);
    let others = world.client("b", None);
    let ready = Ask::for_service("gone");
    wait_until("the other tenant's mapping", IN_FORCE, || {
        ready.send(&world, &others).status() == 200
    });
    assert_eq!(kept_endings.recv_timeout(IN_FORCE), Ok(Ok(())));
    let (_connector, channels) = world.connector(&["gone", "kept"]);
    let port = world.proxy_address().port();
    let (_other, foreign) = world.connector_with("b", "", &others, port, &["gone"], "");
    let doomed: Vec<Flow> = (0..3).map(|_| Flow::start(channels[0])).collect();
    let spared = [Flow::start(channels[1]), Flow::start(channels[1]), Flow::start(foreign[0])];
    world.unmap("a", "gone");
    for flow in doomed {
        let (took, error) = flow.broken_within(IN_FORCE);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        println!("{kind} deleted: client reset after {} ms", took.as_millis());
        let seen = gone_endings.recv_timeout(IN_FORCE);
        assert_eq!(seen, Ok(Err(ErrorKind::ConnectionReset)), "what the service saw");
    }
    assert_all_go_on(&spared);
    for flow in spared {
        flow.finish();
        assert_eq!(kept_endings.recv_timeout(IN_FORCE), Ok(Ok(())));
    }
    assert_eq!(Ask::for_service("gone").send(&world, &world.client("a", None)).status(), 404);
}

fn location_removed(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    let address = echo.address.to_string();
    world.map("a", "one", &address, Some(&["", "plant", "lab"]));
    world.map("a", "two", &address, Some(&["plant"]));
    world.start_proxy("");
    let (client, port) = (world.client("a", None), world.proxy_address().port());
    let connect =
        |location| world.connector_with("a", location, &client, port, &["one", "two"], "");
    let ((_plain, from_plain), (_plant, from_plant), (_lab, from_lab)) =
        (connect(""), connect("plant"), connect("lab"));
    let doomed = [Flow::start(from_plant[0]), Flow::start(from_plant[0])];
    let spared = [from_plain[0], from_lab[0], from_plant[1]].map(Flow::start);
    world.map("a", "one", &address, Some(&["", "lab"]));
    for flow in doomed {
        let (took, error) = flow.broken_within(IN_FORCE);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        println!("{kind} location removed: client reset after {} ms", took.as_millis());
    }
    assert_all_go_on(&spared);
    let ask = |location| Ask::for_service("one").from(location).send(&world, &client).status();
    assert_eq!([ask(""), ask("lab"), ask("plant")], [200, 200, 403]);
    spared.into_iter().for_each(|flow| assert!(flow.finish() > 0));
}

fn address_changed(kind: Kind) {
    let (old, old_endings) = watched_echo();
    let new = Service::banner("new address");
    let world = World::with_services(kind, &[("moving", old.address)]);
    let (_connector, channels) = world.connector(&["moving"]);
    let flows = [Flow::start(channels[0]), Flow::start(channels[0])];
    let client = world.client("a", None);
    world.map("a", "moving", &new.address.to_string(), None);
    in_force(&world, &client, Ask::for_service("moving"), 200, "new address");
    // Whatever the polls opened before the change has ended; the running ones have not.
    let before = old.accepted();
    assert_all_go_on(&flows);
    let mut said = String::new();
    let mut stream = std::net::TcpStream::connect(channels[0]).unwrap();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), old.accepted()), ("new address", before));
    flows.into_iter().for_each(|flow| assert!(flow.finish() > 0));
    assert!(old_endings.try_iter().all(|ending| ending == Ok(())));
}

fn problems(world: &World) -> Vec<String> {
    let details = world.proxy().details();
    let list = details["mapping_problems"].as_array().unwrap().clone();
    list.iter().map(|problem| problem.as_str().unwrap().to_owned()).collect()
}

fn bad_document(kind: Kind) {
    let (good, other) = (Service::banner("good"), Service::banner("other"));
    let world = World::with_services(kind, &[("other", other.address)]);
    let client = world.client("a", None);
    let good = ServiceMapping::new("good", good.address);
    let bad = ServiceMapping { name: "bad", service: "bad", ..good.clone() };
    let wrong = ServiceMapping { address: "nowhere".to_owned(), ..bad.clone() };
    let file = world.path("mappings/mixed.yaml");
    put(&file, &[wrong.text(), good.text()].join("---\n"));
    in_force(&world, &client, Ask::for_service("good"), 200, "good");
    let line = 1 + wrong.text().lines().position(|line| line.contains("nowhere")).unwrap();
    let found = problems(&world);
    assert_eq!(found.len(), 1, "{found:?}");
    let place = format!("{}:{line}: spec.internalAddress: ", file.display());
    assert!(found[0].starts_with(&place), "{place} in {found:?}");
    assert_eq!(Ask::for_service("bad").send(&world, &client).status(), 404);
    assert_eq!(Ask::for_service("other").send(&world, &client).body(), "other");
    // A syntax error takes only its own document along, and says so as well.
    put(&file, &format!("spec: [\n---\n{}", good.text()));
    wait_until("the other problem", IN_FORCE, || problems(&world)[0].contains("not valid YAML"));
    assert_eq!(Ask::for_service("good").send(&world, &client).body(), "good");
    put(&file, &[bad.text(), good.text()].join("---\n"));
    in_force(&world, &client, Ask::for_service("bad"), 200, "good");
    assert_eq!(problems(&world), Vec::<String>::new());
    assert_eq!(Ask::for_service("good").send(&world, &client).body(), "good");
}

fn duplicates(kind: Kind) {
    let (first, second) = (Service::banner("first"), Service::banner("second"));
    let world = World::with_services(kind, &[]);
    let client = world.client("a", None);
    let early = ServiceMapping { name: "early", ..ServiceMapping::new("same", first.address) };
    let late = ServiceMapping { name: "late", ..ServiceMapping::new("same", second.address) };
    let (a, b) = (world.path("mappings/a.yaml"), world.path("mappings/b.yaml"));
    // The later file is there first: the winner is decided by name, not by arrival.
    put(&b, &late.text());
    in_force(&world, &client, Ask::for_service("same"), 200, "second");
    put(&a, &early.text());
    in_force(&world, &client, Ask::for_service("same"), 200, "first");
    let found = problems(&world);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("{}:", b.display())), "{found:?}");
    assert!(found[0].contains("spec.serviceId") && found[0].contains("a.yaml"), "{found:?}");
    // Touching the loser changes nothing.
    put(&b, &format!("# touched\n{}", late.text()));
    wait_until("the problem moved a line", IN_FORCE, || problems(&world) != found);
    assert_eq!(Ask::for_service("same").send(&world, &client).body(), "first");
    fs::remove_file(&a).unwrap();
    in_force(&world, &client, Ask::for_service("same"), 200, "second");
    assert_eq!(problems(&world), Vec::<String>::new());
}

/// A version of the volume's content, and the link that puts it in force.
fn publish(world: &World, version: &str, files: &[(&str, String)]) {
    let directory = world.path("mappings");
    fs::create_dir(directory.join(version)).unwrap();
    for (name, text) in files {
        fs::write(directory.join(version).join(name), text).unwrap();
    }
    let fresh = directory.join("..data_tmp");
    symlink(version, &fresh).unwrap();
    fs::rename(&fresh, directory.join("..data")).unwrap();
    for (name, _) in files {
        let link = directory.join(name);
        if link.symlink_metadata().is_err() {
            symlink(format!("..data/{name}"), link).unwrap();
        }
    }
}

fn symlink_swap(kind: Kind) {
    let (echo, new) = (Service::echo(), Service::banner("new"));
    let mut world = World::new(kind);
    let mapped = |service, address| ServiceMapping::new(service, address).text();
    let kept = ("kept.yaml", mapped("kept", echo.address));
    let before = [kept.clone(), ("moved.yaml", mapped("moved", echo.address))];
    publish(&world, "..2026_01", &before);
    world.start_proxy("");
    let (_connector, channels) = world.connector(&["kept"]);
    let flow = Flow::start(channels[0]);
    let client = world.client("a", None);
    let after = [
        kept.clone(),
        ("moved.yaml", mapped("moved", new.address)),
        ("added.yaml", mapped("added", new.address)),
    ];
    publish(&world, "..2026_02", &after);
    in_force(&world, &client, Ask::for_service("moved"), 200, "new");
    in_force(&world, &client, Ask::for_service("added"), 200, "new");
    // As a kubelet does: the old version and the link of a key that is gone are removed last.
    fs::remove_dir_all(world.path("mappings/..2026_01")).unwrap();
    publish(&world, "..2026_03", &[kept]);
    for gone in ["moved.yaml", "added.yaml"] {
        fs::remove_file(world.path("mappings").join(gone)).unwrap();
    }
    in_force(&world, &client, Ask::for_service("moved"), 404, "");
    assert_eq!(Ask::for_service("added").send(&world, &client).status(), 404);
    assert_eq!(problems(&world), Vec::<String>::new());
    flow.assert_goes_on();
    flow.finish();
}
