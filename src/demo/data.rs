//! The people, teams, resources and keys of Acme.

/// A name, what stands before the @ (or the whole address, at another domain), and the role of the invitation.
pub type Person = (&'static str, &'static str, &'static str);

/// People who were invited together, and how many days ago.
pub const HIRES: &[(u32, &[Person])] = &[
    (
        86,
        &[
            ("Kwame Asante", "kwame", "admin"),
            ("Lea Fontaine", "lea.fontaine", "admin"),
            ("Søren Kjær", "soren.kjaer", "member"),
            ("Yuki Tanaka", "yuki.tanaka", "member"),
            ("Priya Raghunathan", "priya", "member"),
            ("Mateo Ibáñez", "mateo.ibanez", "developer"),
            ("Oluwaseun Adeyemi", "seun.adeyemi", "developer"),
            ("Hana Nováková", "hana.novakova", "accountant"),
        ],
    ),
    (
        79,
        &[
            ("李明", "li.ming", "video-developer"),
            ("Noor Haddad", "noor.haddad", "member"),
            ("Tomáš Dvořák", "tomas.dvorak", "developer"),
            ("Ingrid Løvås", "ingrid.lovas", "member"),
            ("Arjun Mehta", "arjun.mehta", "video-admin"),
            ("Chiara De Luca", "chiara.deluca", "image-developer"),
            ("Ana Sofía Restrepo", "ana.restrepo", "member"),
            ("Wojciech Śliwa", "wojciech.sliwa", "member"),
            ("Đặng Thu Hà", "ha.dang", "analyst"),
        ],
    ),
    (
        68,
        &[
            ("Σοφία Παπαδοπούλου", "sofia.papadopoulou", "member"),
            ("Fatima Zahra El Amrani", "fatima.elamrani", "video-analyst"),
            ("Björn Guðmundsson", "bjorn", "developer"),
            ("Ольга Кравченко", "olga.kravchenko", "member"),
            ("Jean-Baptiste Lefèvre", "jb.lefevre", "member"),
            ("Siobhán Ní Bhriain", "siobhan", "product-admin"),
            ("Mehmet Yıldız", "mehmet.yildiz", "member"),
            ("Zoë van der Meer", "zoe.vandermeer", "image-admin"),
            ("김서연", "seoyeon.kim", "video-developer"),
        ],
    ),
    (
        52,
        &[
            ("שירה לוי", "shira.levi", "member"),
            ("Aarav Patel", "aarav.patel", "developer"),
            ("Mónica Quiñones", "monica.quinones", "analyst"),
            ("Emre Çelik", "emre.celik", "member"),
            ("Thandiwe Mokoena", "thandiwe", "member"),
            ("Rasmus Ängström", "rasmus.angstrom", "image-analyst"),
            ("अनन्या शर्मा", "ananya.sharma", "video-analyst"),
            ("Dmitri Volkov", "dmitri.volkov", "source"),
        ],
    ),
    (
        35,
        &[
            ("ليلى منصور", "layla.mansour", "member"),
            ("Kaito Watanabe", "kaito.watanabe", "source"),
            ("Grace O’Donnell", "grace.odonnell", "support"),
            ("Łukasz Wójcik", "lukasz.wojcik", "member"),
            ("Amara Nwosu", "amara.nwosu", "developer"),
            ("Henrik Sjöberg", "henrik.sjoberg", "support"),
            ("Deniz Öztürk", "deniz.ozturk", "source"),
            ("Pía Muñoz", "pia.munoz", "member"),
            ("Tariq Aziz Khan", "tariq.khan", "image-developer"),
        ],
    ),
    (
        19,
        &[
            ("小林さくら", "sakura.kobayashi", "member"),
            ("Margarida Gonçalves", "margarida", "accountant"),
            ("Jakub Černý", "jakub.cerny", "member"),
            ("Nia Roberts", "nia.roberts", "analyst"),
            ("Rūta Žemaitytė", "ruta.zemaityte", "source"),
            ("Achieng Otieno", "achieng.otieno", "member"),
        ],
    ),
    (
        8,
        &[
            ("Cem Karaca", "cem.karaca", "member"),
            ("Élodie Marchand", "elodie.marchand", "developer"),
            ("Anneliese Groß", "anneliese.gross", "support"),
            ("Farid Rahimi", "farid.rahimi", "member"),
        ],
    ),
    (23, FILMS),
];

/// The people of Acme Films, who sign in through an identity provider of their own.
pub const FILMS: &[Person] = &[
    ("Esme Duarte", "esme.duarte@acme-films.test", "member"),
    ("Ibrahim Sesay", "ibrahim.sesay@acme-films.test", "video-developer"),
    ("Klara Weiss", "klara.weiss@acme-films.test", "member"),
    ("Nils Bakken", "nils.bakken@acme-films.test", "member"),
    ("Paulina Ortega", "paulina.ortega@acme-films.test", "video-analyst"),
    ("Thabo Maseko", "thabo.maseko@acme-films.test", "member"),
];

/// Teams: name, slug, created how many days ago, by whom, who joined.
pub const TEAMS: &[(&str, &str, u32, &str, &[&str])] = &[
    (
        "Video search",
        "acme-video-search",
        77,
        "priya",
        &["li.ming", "arjun.mehta", "tomas.dvorak", "noor.haddad"],
    ),
    (
        "Image pipeline",
        "acme-images",
        64,
        "soren.kjaer",
        &["chiara.deluca", "zoe.vandermeer", "bjorn", "mehmet.yildiz"],
    ),
    (
        "Data platform",
        "acme-data",
        48,
        "yuki.tanaka",
        &["ha.dang", "monica.quinones", "aarav.patel", "kwame", "emre.celik"],
    ),
    (
        "Customer success",
        "acme-success",
        31,
        "lea.fontaine",
        &["grace.odonnell", "henrik.sjoberg", "layla.mansour"],
    ),
];

/// Resources: product, kind, name, the platform's own id.
pub const RESOURCES: &[(&str, &str, &str, &str)] = &[
    ("video", "video_collection", "Product tours", "vc-tours"),
    ("video", "video_collection", "Customer interviews", "vc-interviews"),
    ("video", "video_collection", "Training recordings", "vc-training"),
    ("video", "index", "Highlights, English", "ix-highlights-en"),
    ("video", "index", "Highlights, 日本語", "ix-highlights-ja"),
    ("image", "image_source", "Storefront photos", "is-storefront"),
    ("image", "image_source", "Press kit", "is-press"),
    ("image", "s3_integration", "Media archive", "s3-archive"),
];

/// Keys: owner, name, created how many days ago, valid for how many days (0: no expiry), whether it was revoked since.
pub const KEYS: &[(&str, &str, u32, u32, bool)] = &[
    ("ada", "Production gateway", 84, 365, false),
    ("kwame", "Nightly index refresh", 75, 365, false),
    ("soren.kjaer", "Local development", 72, 30, false),
    ("priya", "Video search, staging", 70, 90, false),
    ("yuki.tanaka", "Notebook", 58, 30, false),
    ("noor.haddad", "Old laptop", 55, 365, true),
    ("wojciech.sliwa", "Batch embed", 50, 180, false),
    ("lea.fontaine", "Dashboard", 41, 0, false),
    ("ana.restrepo", "Import script", 33, 90, false),
    ("shira.levi", "CI", 28, 365, false),
    ("ada", "Load test", 25, 30, false),
    ("layla.mansour", "Support tooling", 21, 365, false),
    ("thandiwe", "Weekly report", 12, 90, false),
    ("sakura.kobayashi", "Prototype", 5, 30, false),
];
