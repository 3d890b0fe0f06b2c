use std::os::unix::fs::symlink;

use super::*;

/// A directory of this test alone, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sip-node-content-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn users(&self) -> Vec<(String, Read)> {
        Content::read(&self.0).users.into_iter().collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn documents_with_users_are_known_by_their_names() {
    let place = Place::new("names");
    for file in
        ["sip.json", "users.json", "users-03.json", "users-00.json", "users-00.json.new", "others.json"]
    {
        place.write(file, file);
    }
    let read: Vec<_> = place.users();
    let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["users-00.json", "users-03.json", "users.json"]);
    assert!(read.iter().all(|(name, read)| *read == Ok(name.clone().into_bytes())));
}

#[test]
fn without_any_the_usual_one_is_missed() {
    assert_eq!(Place::new("none").users(), [("users.json".to_owned(), Err(ErrorKind::NotFound))]);
}

#[test]
fn too_many_documents_are_refused_not_passed_over() {
    let place = Place::new("many");
    for number in 0..=MAX_FILES + 1 {
        place.write(&format!("users-{number:02}.json"), "{}");
    }
    assert_eq!(place.users().len(), MAX_FILES + 1);
    assert_eq!(place.users()[MAX_FILES].1, Err(ErrorKind::QuotaExceeded));
}

/// As kubelet does it: the files are links through `..data`, which is replaced as a whole.
#[test]
fn a_volume_is_read_in_one_state_while_it_is_swapped() {
    let place = Place::new("swapped");
    let files = ["sip.json", "users-00.json", "users-01.json"];
    let point_at = |state: &str| {
        symlink(state, place.0.join("..data_tmp")).unwrap();
        std::fs::rename(place.0.join("..data_tmp"), place.0.join("..data")).unwrap();
    };
    for state in ["..1", "..2"] {
        for file in files {
            place.write(&format!("{state}/{file}"), state);
        }
    }
    point_at("..1");
    for file in files {
        symlink(format!("..data/{file}"), place.0.join(file)).unwrap();
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..500 {
                let content = Content::read(&place.0);
                assert!(content.users.len() == 2 && content.users.values().all(|read| *read == content.sip));
                assert!(content.sip.is_ok());
            }
        });
        let mut state = ["..2", "..1"].iter().cycle();
        while !reader.is_finished() {
            point_at(state.next().unwrap());
        }
    });
}
