"""Hosts that send visitors, kept by hand: what the generated list lacks or has wrong.

A host stands for its subdomains too, except in SEARCH_ONLY and where a longer entry says otherwise.
"""

#: AI assistants. Facts: the vendors' own addresses; Matomo's public-domain list AIAssistants.yml; for
#: Felo and Genspark, asked much in Japan, their own sites. The last ones are Android apps: a link opened from one
#: has the referrer android-app://<package>.
AI = """
chatgpt.com chat.openai.com labs.openai.com
claude.ai
gemini.google.com bard.google.com notebooklm.google.com notebooklm.google aistudio.google.com
copilot.microsoft.com copilot.cloud.microsoft m365.cloud.microsoft edgeservices.bing.com
perplexity.ai
chat.deepseek.com grok.com meta.ai chat.mistral.ai chat.qwen.ai chatglm.cn kimi.com doubao.com
yiyan.baidu.com ai.baidu.com ernie.baidu.com
you.com iask.ai phind.com poe.com duck.ai app.jasper.ai
felo.ai genspark.ai
com.openai.chatgpt com.anthropic.claude ai.perplexity.app.android com.google.android.apps.bard
"""

#: `utm_source` values that assistants put on the links they show: ChatGPT adds utm_source=chatgpt.com, OpenAI's
#: web search utm_source=openai, Copilot utm_source=copilot.com. The bare names are for links tagged by hand.
AI_NAMES = """
chatgpt openai claude gemini copilot copilot.com perplexity deepseek grok mistral felo genspark notebooklm
"""

#: Search, subdomains too. Yahoo! Japan's search, the Japanese portals' and carriers' search pages: Google
#: Analytics 4's list of source categories, and the services' own addresses.
SEARCH = """
search.yahoo.co.jp image-search.yahoo.co.jp search.yahoo.com
bing.com duckduckgo.com startpage.com qwant.com ecosia.org kagi.com mojeek.com presearch.com swisscows.com
search.naver.com search.daum.net search.seznam.cz so.com sogou.com
search.goo.ne.jp websearch.excite.co.jp search.biglobe.ne.jp search.nifty.com websearch.rakuten.co.jp
search.smt.docomo.ne.jp search.auone.jp search.livedoor.com
lens.google.com search.google.com
com.google.android.googlequicksearchbox com.google.android.apps.searchlite
"""

#: Search on this very host (and its www.) alone: portals and engines whose other subdomains are something else.
SEARCH_ONLY = """
yahoo.co.jp m.yahoo.co.jp goo.ne.jp excite.co.jp biglobe.ne.jp msn.com ntp.msn.com naver.com m.naver.com
baidu.com ya.ru yandex.kz yandex.uz yandex.fr yandex.com.tr seznam.cz
"""

#: Social networks, blogs and communities, subdomains too. The Japanese ones are those of Google Analytics 4's list
#: of source categories (hatena, ameba, ameblo, mixi, LINE, nicovideo, pixiv, 5ch, exblog, FC2, livedoor, gree,
#: okwave, chiebukuro, oshiete) and note, Hatena Blog's domains, Qiita, Zenn, NewsPicks, Togetter by what they are.
SOCIAL = """
note.com note.mu
hatena.ne.jp hatena.com hatenablog.com hatenablog.jp hateblo.jp hatenadiary.com hatenadiary.jp hatenadiary.org
line.me lin.ee jp.naver.line.android
ameba.jp ameblo.jp mixi.jp nicovideo.jp nico.ms pixiv.net 5ch.net 5ch.io exblog.jp fc2.com livedoor.jp
livedoor.blog gree.jp okwave.jp blog.goo.ne.jp oshiete.goo.ne.jp blog.excite.co.jp cocolog-nifty.com
chiebukuro.yahoo.co.jp qiita.com zenn.dev newspicks.com togetter.com posfie.com misskey.io
threads.net threads.com bsky.app mastodon.social
tiktok.com snapchat.com t.me telegram.org messenger.com wechat.com kakao.com band.us
blog.naver.com cafe.naver.com tieba.baidu.com zhihu.com bilibili.com
stackexchange.com serverfault.com superuser.com askubuntu.com
medium.com wordpress.com blogger.com blogspot.com slideshare.net speakerdeck.com producthunt.com
pinterest.jp pinterest.co.uk pinterest.de pinterest.fr pinterest.ca pinterest.com.au pin.it
vimeo.com twitch.tv dailymotion.com digg.com livejournal.com last.fm meetup.com
com.facebook.katana com.instagram.android com.zhiliaoapp.musically com.ss.android.ugc.trill
"""

#: Webmail, subdomains too: the providers' own addresses, and the mail apps of Android.
MAIL = """
mail.yahoo.co.jp mail.goo.ne.jp mail.excite.co.jp mail.zoho.jp
outlook.live.com outlook.office.com outlook.office365.com outlook.cloud.microsoft
safelinks.protection.outlook.com
mail.proton.me app.fastmail.com app.tuta.com navigator.gmx.net navigator.web.de deref-gmx.net deref-web.de
com.google.android.gm com.microsoft.office.outlook jp.co.yahoo.android.ymail com.yahoo.mobile.client.android.mail
"""

#: Ad networks, subdomains too.
AD = """
doubleclick.net googleadservices.com googlesyndication.com syndicatedsearch.goog 2mdn.net amazon-adsystem.com
outbrain.com taboola.com criteo.com criteo.net popin.cc i-mobile.co.jp logly.co.jp
"""

#: In the generated list, but no class of ours: shops, price and company-review sites listed as search engines, a
#: sign-in page listed as a social network, directories listed as ad networks.
REFERRAL = """
amazon.com marktplaats.nl pricerunner.co.uk kununu.com alexa.com weborama.com friendfeed.com
technorati.com highbeam.com
login.live.com whitepages.com.au mobile.whitepages.com.au
"""

#: `utm_source` values that are names, not hosts, as Google Analytics 4 lists them, and what people in Japan write.
NAMES = {
    "search": "google bing yahoo yahoo! yahoojapan duckduckgo baidu naver yandex ecosia qwant",
    "social": """
        facebook fb instagram ig threads twitter x linkedin youtube line hatena note tiktok pinterest reddit
        quora mixi ameba niconico whatsapp messenger telegram slideshare newspicks qiita zenn bluesky
    """,
    "mail": "email e-mail e_mail mail newsletter mailmagazine merumaga メルマガ gmail",
}
