"""Mail hosts, kept by hand: what the generated list lacks or has wrong. Each stands for its subdomains too."""

#: Mail of Japanese carriers, internet providers and portals, by the providers' own pages. Providers hand out
#: subdomains of these (`taro@mx1.ocn.ne.jp` style), which is why subdomains count.
FREE = """
docomo.ne.jp mopera.net ezweb.ne.jp au.com auone-net.jp dion.ne.jp uqmobile.jp
softbank.ne.jp i.softbank.jp vodafone.ne.jp ymobile.ne.jp y-mobile.ne.jp ymobile1.ne.jp emobile.ne.jp
willcom.com wcm.ne.jp pdx.ne.jp disney.ne.jp rakuten.jp rakumail.jp mineo.jp
yahoo.co.jp ymail.ne.jp ybb.ne.jp goo.jp mail.goo.ne.jp excite.co.jp bbexcite.jp infoseek.jp infoseek.co.jp
nifty.com nifty.ne.jp biglobe.ne.jp ocn.ne.jp so-net.ne.jp so-net.jp plala.or.jp
jcom.home.ne.jp home.ne.jp zaq.ne.jp hi-ho.ne.jp asahi-net.or.jp eonet.ne.jp commufa.jp odn.ne.jp dti.ne.jp
wakwak.com iij4u.or.jp bbiq.jp megaegg.ne.jp pikara.ne.jp t-com.ne.jp tokai.or.jp sakura.ne.jp
outlook.jp hotmail.co.jp live.jp aol.jp
gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com icloud.com me.com mac.com
aol.com proton.me protonmail.com pm.me gmx.com gmx.net gmx.de web.de mail.com zoho.com fastmail.com
tutanota.com tuta.com tuta.io yandex.ru yandex.com mail.ru qq.com 163.com 126.com foxmail.com naver.com
daum.net hanmail.net hey.com duck.com mozmail.com privaterelay.appleid.com
"""

#: In the generated list, but companies write from here; `net.ua` is a suffix that companies register under.
NOT_FREE = """
alibaba.com facebook.com starbucks.com net.ua
"""
