#include "tools/people_names.hpp"

#include <array>

namespace oubliette::tools {

namespace {

using List = std::string_view;

constexpr List kIeHandles[] = {"mairead", "sean", "aoife", "conor", "niamh", "padraig"};
constexpr List kIeGiven[] = {"Máiréad", "Seán",    "Aoife",   "Conor",
                             "Niamh",   "Pádraig", "Caoimhe", "Fionnuala"};
constexpr List kIeFamily[] = {"O'Brien",  "Ó Murchú",   "Ní Dhomhnaill",
                              "McCarthy", "O'Sullivan", "Mac Giolla Phádraig"};
constexpr List kIeStreets[] = {"O'Connell Street", "Grafton Street", "Sráid na Siopaí",
                               "St. Patrick's Quay"};
constexpr List kIeCities[] = {"Dublin 2", "Cork", "Gaillimh", "Limerick"};

constexpr List kFrHandles[] = {"francois", "zoe", "helene", "loic", "celine", "benoit"};
constexpr List kFrGiven[] = {"François", "Zoé",    "Hélène", "Loïc",
                             "Céline",   "Benoît", "Anaïs",  "Jean-Baptiste"};
constexpr List kFrFamily[] = {"L'Hôpital", "Lefèvre",    "Çelik",
                              "Dupré",     "d'Artagnan", "Saint-Exupéry"};
constexpr List kFrStreets[] = {"rue de l'Église", "avenue des Champs-Élysées",
                               "quai François-Mitterrand"};
constexpr List kFrCities[] = {"75008 Paris", "69002 Lyon", "13001 Marseille"};

constexpr List kDeHandles[] = {"jurgen", "soren", "kathe", "gunther", "lieselotte", "max"};
constexpr List kDeGiven[] = {"Jürgen",     "Sören", "Käthe", "Günther",
                             "Lieselotte", "Max",   "Björn", "Änne"};
constexpr List kDeFamily[] = {"Müller",        "Weiß",    "Größmann",
                              "von der Heydt", "Schäfer", "Überreuter"};
constexpr List kDeStreets[] = {"Königsstraße", "Äußere Sulzbacher Straße", "Am Großen Wannsee"};
constexpr List kDeCities[] = {"10117 Berlin", "80331 München", "50667 Köln"};

constexpr List kTrHandles[] = {"isil", "cagri", "sukru", "ozge", "ibrahim", "gulsen"};
constexpr List kTrGiven[] = {"Işıl", "Çağrı", "Şükrü", "Özge", "İbrahim", "Gülşen"};
constexpr List kTrFamily[] = {"Yılmaz", "Öztürk", "Şahin", "Doğan", "Kılıç", "İnönü"};
constexpr List kTrStreets[] = {"İstiklal Caddesi No:", "Bağdat Caddesi No:", "Atatürk Bulvarı No:"};
constexpr List kTrCities[] = {"34433 İstanbul", "06420 Ankara", "35210 İzmir"};

constexpr List kVnHandles[] = {"nguyen.anh", "tran.duc", "le.hang", "pham.quoc", "dang.thuy"};
constexpr List kVnGiven[] = {"Thị Ánh",   "Văn Đức",    "Minh Hằng",
                             "Quốc Việt", "Thuỳ Dương", "Hữu Phước"};
constexpr List kVnFamily[] = {"Nguyễn", "Trần", "Lê", "Phạm", "Đặng", "Huỳnh"};
constexpr List kVnStreets[] = {"Đường Lê Lợi", "Phố Hàng Bài", "Đường Nguyễn Huệ"};
constexpr List kVnCities[] = {"Thành phố Hồ Chí Minh", "Hà Nội", "Đà Nẵng"};

constexpr List kCnHandles[] = {"zhangwei", "lina", "wangfang", "liuyang", "chenjing"};
constexpr List kCnGiven[] = {"伟", "娜", "秀英", "子轩", "欣怡", "建国", "雨桐"};
constexpr List kCnFamily[] = {"王", "李", "张", "欧阳", "司马", "陈", "龘"};
constexpr List kCnStreets[] = {"中山东路", "人民路", "长安街", "解放大道"};
constexpr List kCnCities[] = {"北京市朝阳区", "上海市黄浦区", "广东省深圳市", "四川省成都市"};

constexpr List kTwHandles[] = {"linyijun", "huangzh", "wuyating", "tsaiml"};
constexpr List kTwGiven[] = {"怡君", "志豪", "雅婷", "美玲", "家豪"};
constexpr List kTwFamily[] = {"林", "黃", "吳", "蔡", "歐陽"};
constexpr List kTwStreets[] = {"忠孝東路", "中正路", "復興南路"};
constexpr List kTwCities[] = {"臺北市大安區", "高雄市前金區", "臺中市西區"};

constexpr List kJpHandles[] = {"sato.hanako", "suzuki.ichiro", "watanabe.y", "saito.m"};
constexpr List kJpGiven[] = {"花子", "一郎", "結衣", "さくら", "ジョン", "健太"};
constexpr List kJpFamily[] = {"佐藤", "鈴木", "渡邊", "齋藤", "髙橋", "小鳥遊"};
constexpr List kJpStreets[] = {"丸の内", "道玄坂", "心斎橋筋"};
constexpr List kJpCities[] = {"東京都千代田区", "大阪府大阪市", "京都府京都市"};

constexpr List kKrHandles[] = {"kimminjun", "leeseoyeon", "parkjihoon", "choi.yuna"};
constexpr List kKrGiven[] = {"민준", "서연", "지훈", "유나", "하늘"};
constexpr List kKrFamily[] = {"김", "이", "박", "최", "남궁"};
constexpr List kKrStreets[] = {"세종대로 ", "테헤란로 ", "해운대로 "};
constexpr List kKrCities[] = {"서울특별시 중구 ", "부산광역시 해운대구 ", "대구광역시 "};

constexpr List kEgHandles[] = {"ahmed", "fatima", "yusuf", "layla", "khaled"};
constexpr List kEgGiven[] = {"أحمد", "فاطمة", "يوسف", "ليلى", "خالد", "عبد الرحمن"};
constexpr List kEgFamily[] = {"المصري", "الحسيني", "بن علي", "النجار", "أبو زيد"};
constexpr List kEgStreets[] = {"شارع التحرير", "شارع الهرم", "شارع النيل"};
constexpr List kEgCities[] = {"القاهرة", "الإسكندرية", "الجيزة"};

constexpr List kRuHandles[] = {"alyona", "dmitri", "yekaterina", "pyotr", "svetlana"};
constexpr List kRuGiven[] = {"Алёна", "Дмитрий", "Екатерина", "Пётр", "Светлана", "Юрий"};
constexpr List kRuFamily[] = {"Иванов", "Щербакова", "Достоевский", "Соловьёв", "Римский-Корсаков"};
constexpr List kRuStreets[] = {"ул. Тверская, д.", "Невский проспект, д.", "ул. Ленина, д."};
constexpr List kRuCities[] = {"125009 Москва", "191186 Санкт-Петербург", "630099 Новосибирск"};

constexpr List kGrHandles[] = {"eleni", "giorgos", "dimitra", "nikos"};
constexpr List kGrGiven[] = {"Ελένη", "Γιώργος", "Δήμητρα", "Νίκος", "Αναστασία"};
constexpr List kGrFamily[] = {"Παπαδόπουλος", "Οικονόμου", "Χατζηγιάννη", "Βασιλείου"};
constexpr List kGrStreets[] = {"Ερμού", "Λεωφόρος Συγγρού", "Τσιμισκή"};
constexpr List kGrCities[] = {"105 63 Αθήνα", "546 24 Θεσσαλονίκη", "262 21 Πάτρα"};

constexpr List kInHandles[] = {"aarav", "priya", "lakshmi", "rohan", "ananya"};
constexpr List kInGiven[] = {"आरव", "प्रिया", "लक्ष्मी", "रोहन", "अनन्या", "श्रीकृष्ण"};
constexpr List kInFamily[] = {"शर्मा", "त्रिपाठी", "चतुर्वेदी", "पटेल", "सिंह"};
constexpr List kInStreets[] = {"महात्मा गांधी मार्ग", "स्टेशन रोड", "राजपथ"};
constexpr List kInCities[] = {"नई दिल्ली 110001", "मुंबई 400001", "जयपुर 302001"};

constexpr List kIlHandles[] = {"noa", "yosef", "tamar", "avraham"};
constexpr List kIlGiven[] = {"נועה", "יוסף", "תמר", "אברהם", "שרה"};
constexpr List kIlFamily[] = {"כהן", "לוי", "בן־דוד", "מזרחי", "פרידמן"};
constexpr List kIlStreets[] = {"רחוב דיזנגוף", "שדרות רוטשילד", "רחוב יפו"};
constexpr List kIlCities[] = {"תל אביב-יפו", "ירושלים", "חיפה"};

constexpr List kEsHandles[] = {"inigo", "begona", "jose", "maria.carmen"};
constexpr List kEsGiven[] = {"Íñigo", "Begoña", "José María", "María del Carmen", "Ángel"};
constexpr List kEsFamily[] = {"Núñez", "de la Cruz y García", "Peña", "Ibáñez", "Güemes"};
constexpr List kEsStreets[] = {"Calle de Alcalá", "Passeig de Gràcia", "Plaza de España"};
constexpr List kEsCities[] = {"28014 Madrid", "08007 Barcelona", "41013 Sevilla"};

constexpr List kPlHandles[] = {"lukasz", "malgorzata", "wojciech", "zofia"};
constexpr List kPlGiven[] = {"Łukasz", "Małgorzata", "Wojciech", "Zofia", "Michał"};
constexpr List kPlFamily[] = {"Wiśniewski", "Łącka", "Brzęczyszczykiewicz", "Żółć"};
constexpr List kPlStreets[] = {"ul. Świętokrzyska", "ul. Długa", "al. Jerozolimskie"};
constexpr List kPlCities[] = {"00-001 Warszawa", "31-001 Kraków", "90-001 Łódź"};

constexpr List kNgHandles[] = {"chidi", "ngozi", "oluwaseun", "amina"};
constexpr List kNgGiven[] = {"Chidi", "Ngozi", "Olúwaṣeun", "Ọlámidé", "Zoë", "Amélie"};
constexpr List kNgFamily[] = {"Okonkwo", "Adébáyọ̀", "Nwachukwu", "Bello"};
constexpr List kNgStreets[] = {"Broad Street", "Awolowo Road", "Ahmadu Bello Way"};
constexpr List kNgCities[] = {"Lagos", "Abuja", "Ibadan"};

constexpr List kThHandles[] = {"somchai", "malee", "niran", "kanya"};
constexpr List kThGiven[] = {"สมชาย", "มาลี", "นิรันดร์", "กัญญา"};
constexpr List kThFamily[] = {"ศรีสวัสดิ์", "วงศ์สว่าง", "ทองดี"};
constexpr List kThStreets[] = {"ถนนสุขุมวิท", "ถนนเจริญกรุง", "ถนนนิมมานเหมินท์"};
constexpr List kThCities[] = {"กรุงเทพมหานคร 10110", "เชียงใหม่ 50200"};

constexpr std::array<Locale, 18> kLocales{{
    {"IE", NameOrder::given_first, AddressShape::house_first, "", kIeHandles, kIeGiven, kIeFamily,
     kIeStreets, kIeCities},
    {"FR", NameOrder::given_first, AddressShape::house_first, "", kFrHandles, kFrGiven, kFrFamily,
     kFrStreets, kFrCities},
    {"DE", NameOrder::given_first, AddressShape::house_last, "", kDeHandles, kDeGiven, kDeFamily,
     kDeStreets, kDeCities},
    {"TR", NameOrder::given_first, AddressShape::house_last, "", kTrHandles, kTrGiven, kTrFamily,
     kTrStreets, kTrCities},
    {"VN", NameOrder::family_first, AddressShape::house_first, "", kVnHandles, kVnGiven, kVnFamily,
     kVnStreets, kVnCities},
    {"CN", NameOrder::family_first_joined, AddressShape::large_to_small, "号", kCnHandles, kCnGiven,
     kCnFamily, kCnStreets, kCnCities},
    {"TW", NameOrder::family_first_joined, AddressShape::large_to_small, "號", kTwHandles, kTwGiven,
     kTwFamily, kTwStreets, kTwCities},
    {"JP", NameOrder::family_first, AddressShape::large_to_small, "番地", kJpHandles, kJpGiven,
     kJpFamily, kJpStreets, kJpCities},
    {"KR", NameOrder::family_first_joined, AddressShape::large_to_small, "번지", kKrHandles,
     kKrGiven, kKrFamily, kKrStreets, kKrCities},
    {"EG", NameOrder::given_first, AddressShape::house_first, "", kEgHandles, kEgGiven, kEgFamily,
     kEgStreets, kEgCities},
    {"RU", NameOrder::given_first, AddressShape::house_last, "", kRuHandles, kRuGiven, kRuFamily,
     kRuStreets, kRuCities},
    {"GR", NameOrder::given_first, AddressShape::house_last, "", kGrHandles, kGrGiven, kGrFamily,
     kGrStreets, kGrCities},
    {"IN", NameOrder::given_first, AddressShape::house_first, "", kInHandles, kInGiven, kInFamily,
     kInStreets, kInCities},
    {"IL", NameOrder::given_first, AddressShape::house_last, "", kIlHandles, kIlGiven, kIlFamily,
     kIlStreets, kIlCities},
    {"ES", NameOrder::given_first, AddressShape::house_last, "", kEsHandles, kEsGiven, kEsFamily,
     kEsStreets, kEsCities},
    {"PL", NameOrder::given_first, AddressShape::house_last, "", kPlHandles, kPlGiven, kPlFamily,
     kPlStreets, kPlCities},
    {"NG", NameOrder::given_first, AddressShape::house_first, "", kNgHandles, kNgGiven, kNgFamily,
     kNgStreets, kNgCities},
    {"TH", NameOrder::given_first, AddressShape::house_first, "", kThHandles, kThGiven, kThFamily,
     kThStreets, kThCities},
}};

}  // namespace

std::span<const Locale> locales() noexcept {
    return kLocales;
}

}  // namespace oubliette::tools
