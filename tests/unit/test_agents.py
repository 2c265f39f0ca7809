"""Who asks, and on what kind of device, by user agents as they are seen."""

from __future__ import annotations

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from hypothesis import given
from hypothesis import strategies as st

from server.agents import device_type, ignored, is_bot, kind

WIN = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Safari/537.36"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
#: An iOS web view, as apps use it; and an Android one.
IOS_VIEW = f"{IPHONE} Mobile/15E148"
SAFARI = f"{IPHONE} Version/17.6 Mobile/15E148 Safari/604.1"
ANDROID_VIEW = (
    "Mozilla/5.0 (Linux; Android 14; SO-51D Build/67.1.F.2.114; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Version/4.0 Chrome/131.0.6778.39 Mobile Safari/537.36"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Mobile Safari/537.36"
)
NEXUS = (
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Mobile Safari/537.36"
)

PERSONS = [
    # Browsers on computers.
    (WIN, "desktop"),
    (f"{WIN} Edg/131.0.0.0", "desktop"),
    (f"{WIN} Vivaldi/7.0.3495.11", "desktop"),
    (f"{WIN} Sleipnir/6.5.3", "desktop"),
    ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "desktop"),
    ("Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)", "desktop"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "desktop"),
    (f"{MAC} Chrome/131.0.0.0 Safari/537.36", "desktop"),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/17.6 Safari/605.1.15",
        "desktop",
    ),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "desktop"),
    (f"{LINUX} Chrome/131.0.0.0 Safari/537.36 OPR/117.0.0.0", "desktop"),
    (
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Safari/537.36",
        "desktop",
    ),
    # Desktop apps that open pages in themselves; the list knows two of the names as link previews.
    (f"{MAC} Notion/3.10.0 Chrome/124.0.6367.243 Electron/30.2.0 Safari/537.36", "desktop"),
    (
        f"{MAC} Slack/4.39.95 Chrome/128.0.6613.120 Electron/32.1.0 Safari/537.36 Sonic Slack_SSB/4.39.95",
        "desktop",
    ),
    (f"{MAC} Teams/24 Chrome/128.0.0.0 Electron/32.0.0 Safari/537.36", "desktop"),
    # Phones.
    (SAFARI, "mobile"),
    (f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "mobile"),
    (f"{IPHONE} FxiOS/132.0 Mobile/15E148 Safari/605.1.15", "mobile"),
    (f"{IPHONE} Version/17.6 DuckDuckGo/7 Mobile/15E148 Safari/605.1.15", "mobile"),
    (ANDROID, "mobile"),
    (
        "Mozilla/5.0 (Linux; Android 13; SAMSUNG SC-51C) AppleWebKit/537.36 (KHTML, like Gecko)"
        " SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
        "mobile",
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/95.0.4638.74 Mobile Safari/537.36",
        "mobile",
    ),
    ("Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "mobile"),
    ("DoCoMo/2.0 P01A(c100;TB;W24H15)", "mobile"),
    ("KDDI-CA39 UP.Browser/6.2.0.13.1.5 (GUI) MMP/2.0", "mobile"),
    # Apps of Japan, on both systems.
    (IOS_VIEW, "mobile"),
    (ANDROID_VIEW, "mobile"),
    (f"{IOS_VIEW} Safari Line/14.20.0", "mobile"),
    (f"{IOS_VIEW} Safari/604.1 Line/14.20.0 LIFF", "mobile"),
    (f"{ANDROID_VIEW} Line/14.19.1/IAB", "mobile"),
    (f"{IOS_VIEW} Safari/604.1 YJApp-IOS jp.co.yahoo.ipn.appli/4.132.0", "mobile"),
    (f"{ANDROID_VIEW} YJApp-ANDROID jp.co.yahoo.android.yjtop/3.182.0", "mobile"),
    (f"{IOS_VIEW} SmartNews 24.3.10 iOS", "mobile"),
    (f"{ANDROID_VIEW} PayPay/4.70.0", "mobile"),
    (f"{IOS_VIEW} Mercari_r/7", "mobile"),
    (f"{ANDROID_VIEW} Hatena-Bookmark/5", "mobile"),
    (f"{IOS_VIEW} NewsPicks/10", "mobile"),
    # Apps of everywhere.
    (f"{IOS_VIEW} [FBAN/FBIOS;FBAV/442.0.0.46.109;FBDV/iPhone15,3;FBSN/iOS;FBSV/17.6;FBLC/ja_JP]", "mobile"),
    (f"{ANDROID_VIEW} [FB_IAB/FB4A;FBAV/442.0.0.46.109;]", "mobile"),
    (f"{ANDROID_VIEW} MetaIAB Facebook", "mobile"),
    (
        f"{IOS_VIEW} Instagram 309.0.0.22.111 (iPhone15,3; iOS 17_6; ja_JP; ja; scale=3.00; 1290x2796)",
        "mobile",
    ),
    (f"{IOS_VIEW} Twitter for iPhone/10.60", "mobile"),
    (f"{ANDROID_VIEW} TwitterAndroid", "mobile"),
    (f"{IOS_VIEW} [LinkedInApp]/9.29.4", "mobile"),
    (f"{IOS_VIEW} [Pinterest/iOS]", "mobile"),
    (
        f"{IOS_VIEW} musical_ly_33.0.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/ja Region/JP",
        "mobile",
    ),
    (f"{IOS_VIEW} GSA/300.0.598994205 Safari/604.1", "mobile"),
    (f"{IOS_VIEW} MicroMessenger/8.0.50(0x18003233) NetType/WIFI Language/ja", "mobile"),
    (f"{ANDROID_VIEW} WhatsApp/2.24", "mobile"),
    # A build number that very many phones have.
    (ANDROID_VIEW.replace("SO-51D Build/67.1.F.2.114", "CPH2557 Build/AP3A.240617.008"), "mobile"),
    # Tablets.
    (
        "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/17.6 Mobile/15E148 Safari/604.1",
        "tablet",
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-X900) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Safari/537.36",
        "tablet",
    ),
    (
        "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Silk/120.5.1 like Chrome/120.0.6099.230 Safari/537.36",
        "tablet",
    ),
    ("Mozilla/5.0 (Android 14; Tablet; rv:133.0) Gecko/133.0 Firefox/133.0", "tablet"),
    # Televisions.
    (
        "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko)"
        " 94.0.4606.31/7.0 TV Safari/537.36",
        "tv",
    ),
    (
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128"
        " Safari/537.36 DMOST/2.0.0 (; LGE; webOSTV; WEBOS22 03.30.10; W22_K8HP;)",
        "tv",
    ),
    (
        "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K UR3 Build/STT2.230505.001.S69) AppleWebKit/537.36"
        " (KHTML, like Gecko) Chrome/108.0.5359.128 Safari/537.36",
        "tv",
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Silk/112.4.1 like Chrome/112.0.5615.213 Safari/537.36",
        "tv",
    ),
    # Others.
    (
        "Mozilla/5.0 (PlayStation; PlayStation 5/8.00) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/15.4 Safari/605.1.15",
        "other",
    ),
    (
        "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko)"
        " NF/6.0.3.15.4 NintendoBrowser/5.1.0.22474",
        "other",
    ),
    ("MyCompanyApp/1.0", "other"),
    ("", ""),
]

AUTOMATION = [
    # Headless browsers, as integration checks drive them.
    (WIN.replace("Chrome/", "HeadlessChrome/"), "desktop"),
    (f"{LINUX} HeadlessChrome/131.0.0.0 Safari/537.36", "desktop"),
    (f"{LINUX} Chrome/131.0.0.0 Safari/537.36 Playwright/1.49", "desktop"),
    (f"{WIN}; Selenium", "desktop"),
    # Segment's server libraries, and what other servers send with.
    ("analytics-python/2.3.3", "other"),
    ("analytics-node/2.1.3", "other"),
    ("analytics-ruby/2.4.0", "other"),
    ("analytics-go (version: 3.3.0)", "other"),
    ("Segment.io/1.0", "other"),
    ("python-requests/2.32.3", "other"),
    ("Python/3.11 aiohttp/3.14.5", "other"),
    ("python-httpx/0.28.1", "other"),
    ("okhttp/4.12.0", "other"),
    ("Go-http-client/2.0", "other"),
    ("axios/1.7.7", "other"),
    ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "other"),
    ("Java/17.0.2", "other"),
    ("Ruby", "other"),
    ("GuzzleHttp/7", "other"),
    ("Apache-HttpClient/4.5.14 (Java/17.0.2)", "other"),
    ("curl/8.5.0", "other"),
    ("Wget/1.21.4", "other"),
    ("PostmanRuntime/7.42.0", "other"),
]

CRAWLERS = [
    # Search engines.
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"{NEXUS} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
    " Chrome/116.0.1938.76 Safari/537.36",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1"
    " Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Y!J-ASR/1.0 crawler (https://www.yahoo-help.jp/app/answers/detail/p/595/a_id/42716/)",
    "ichiro/3.0 (http://search.goo.ne.jp/option/use/sub4/sub4-1/)",
    "Mozilla/5.0 (compatible; Linespider/1.1; +https://lin.ee/4dwXkTH)",
    # SEO tools.
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
    # Language models.
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/bot)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    f"{NEXUS} (compatible; Bytespider; https://zhanzhang.toutiao.com/)",
    # Link previews.
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slackbot 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "facebookexternalhit/1.1;line-poker/1.0",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    "Chatwork LinkPreview v1",
    "Hatena-Favicon2 (http://www.hatena.ne.jp/faq/)",
    # Monitors.
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "Mozilla/5.0 (compatible; Uptimerobot/2.0; http://www.uptimerobot.com/)",
    f"{LINUX} HeadlessChrome/131.0.0.0 Safari/537.36 Chrome-Lighthouse",
    # In nobody's list yet, but honest; and frameworks for copying sites.
    "Mozilla/5.0 (compatible; SomethingNewBot/0.1; +https://new.example/bot)",
    "Scrapy/2.11 (+https://scrapy.org)",
    "Mozilla/5.0 (compatible; Steeler/3.5; http://www.tkl.iis.u-tokyo.ac.jp/~crawler/)",
]


@pytest.mark.parametrize(("agent", "device"), PERSONS, ids=[str(n) for n in range(len(PERSONS))])
def test_persons(agent: str, device: str) -> None:
    assert (kind(agent), device_type(agent)) == ("person", device)
    assert not ignored(agent, ignore_automation=True)


@pytest.mark.parametrize(("agent", "device"), AUTOMATION, ids=[row[0][-40:] for row in AUTOMATION])
def test_automation_counts_unless_the_operator_says_otherwise(agent: str, device: str) -> None:
    assert (kind(agent), device_type(agent)) == ("automation", device)
    assert not ignored(agent, ignore_automation=False)
    assert ignored(agent, ignore_automation=True)


@pytest.mark.parametrize("agent", CRAWLERS, ids=[agent[:60] for agent in CRAWLERS])
def test_crawlers_never_count(agent: str) -> None:
    assert is_bot(agent)
    assert device_type(agent) == "bot"
    assert ignored(agent, ignore_automation=False)


#: Examples in the list that are people's: a Facebook web view, a phone with the build number, and a screenshot
#: service that is told from an iPhone's web view by nothing else.
APPS = {"MetaIAB Facebook", r"AP3A\.240617\.008", "Hotjar"}


def test_every_example_in_the_list_is_known() -> None:
    missed = {
        entry["pattern"]
        for entry in CRAWLER_USER_AGENTS_DATA
        for agent in entry["instances"]
        if kind(agent) == "person"
    }
    assert missed == APPS


@given(st.text(max_size=600))
def test_anything_has_a_kind_and_a_device(agent: str) -> None:
    assert kind(agent) in {"crawler", "automation", "person"}
    assert device_type(agent) in {"desktop", "mobile", "tablet", "tv", "bot", "other", ""}


def test_a_very_long_user_agent_is_read_at_its_beginning() -> None:
    assert kind("x" * 100_000 + " Googlebot/2.1") == "person"
    assert kind("Googlebot/2.1 " + "x" * 100_000) == "crawler"
