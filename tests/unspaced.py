"""Judged queries in scripts without spaces, made of words: the exact substring is the judge."""

from __future__ import annotations

import random
from typing import Final

WORDS: Final = {
    "chinese": (
        "向量 数据 搜索 模型 天气 银行 学校 医生 汽车 火车 城市 河流 音乐 电影 咖啡 苹果 老师 "
        "学生 朋友 工作 时间 问题 经济 市场 股票 语言 文字 历史 文化 科学 技术 网络 安全 法律 "
        "政府 国家 世界 健康 运动 旅行 水 火 山 数据库 图书馆 人工智能"
    ),
    "japanese": (
        "東京 大阪 天気 銀行 学校 電車 音楽 映画 先生 学生 友達 仕事 時間 問題 経済 市場 言語 "
        "文字 歴史 文化 科学 技術 安全 法律 政府 国家 世界 健康 運動 旅行 ねこ いぬ みず ひと "
        "サーバー データ ネットワーク コーヒー りんご くるま 駅 海 が は を に で と から "
        "まで"
    ),
    "thai": (
        "แมว หมา บ้าน น้ำ ปลา ข้าว โรงเรียน ธนาคาร ตลาด หุ้น รถ ไฟ ฝน ฟ้า คน ดี มา ไป กิน นอน "
        "งาน เวลา ปัญหา เมือง แม่น้ำ ดนตรี กาแฟ ครู เพื่อน ภาษา อาคาร ประเทศ โลก สุขภาพ กีฬา "
        "เดิน ทาง หนังสือ อากาศ ร้อน หนาว ใหญ่ เล็ก ที่ และ ของ ใน เป็น"
    ),
    "lao": (
        "ແມວ ໝາ ເຮືອນ ນ້ຳ ປາ ເຂົ້າ ໂຮງຮຽນ ທະນາຄານ ຕະຫຼາດ ລົດ ໄຟ ຝົນ ຟ້າ ຄົນ ດີ ມາ ໄປ ກິນ ນອນ "
        "ວຽກ ເວລາ ບັນຫາ ເມືອງ ແມ່ນ້ຳ ດົນຕີ ກາເຟ ຄູ ໝູ່ ພາສາ ປະເທດ ໂລກ ສຸຂະພາບ ກິລາ ຍ່າງ ທາງ "
        "ປຶ້ມ ອາກາດ ຮ້ອນ ໜາວ ໃຫຍ່ ນ້ອຍ ທີ່ ແລະ ຂອງ ໃນ ເປັນ"
    ),
    "khmer": (
        "ឆ្មា ឆ្កែ ផ្ទះ ទឹក ត្រី បាយ សាលា ធនាគារ ផ្សារ ឡាន ភ្លើង ភ្លៀង មេឃ មនុស្ស ល្អ មក ទៅ "
        "ញ៉ាំ គេង ការងារ ពេល បញ្ហា ទីក្រុង ទន្លេ តន្ត្រី កាហ្វេ គ្រូ មិត្ត ភាសា ប្រទេស "
        "ពិភពលោក សុខភាព កីឡា ដើរ ផ្លូវ សៀវភៅ អាកាស ក្តៅ ត្រជាក់ ធំ តូច ដែល និង របស់ ក្នុង ជា"
    ),
    "burmese": (
        "ကြောင် ခွေး အိမ် ရေ ငါး ထမင်း ကျောင်း ဘဏ် စျေး ကား မီး မိုး ကောင်းကင် လူ ကောင်း လာ "
        "သွား စား အိပ် အလုပ် အချိန် ပြဿနာ မြို့ မြစ် ဂီတ ကော်ဖီ ဆရာ မိတ်ဆွေ ဘာသာ နိုင်ငံ "
        "ကမ္ဘာ ကျန်းမာရေး အားကစား လမ်း စာအုပ် လေ ပူ အေး ကြီး ငယ် သော နှင့် တွင် ဖြစ်"
    ),
    "korean": (
        "학교 은행 시장 날씨 음악 영화 커피 사과 선생님 학생 친구 시간 문제 경제 언어 문자 "
        "역사 문화 과학 기술 안전 법률 정부 국가 세계 건강 운동 여행 물 불 산 고양이 강아지 "
        "자동차 도서관 데이터 대학교 물고기"
    ),
}
"""Words of each; the Korean ones are nouns, which texts give a particle."""

PARTICLES: Final = "이 가 은 는 을 를 에 에서 으로 와 과 도 의".split()  # noqa: SIM905 - as the words are
DOCUMENTS: Final = 300


def texts(language: str, seed: int = 0) -> dict[str, str]:
    """Documents of 4 to 14 random words."""
    draw, words = random.Random(seed), WORDS[language].split()
    made = {}
    for number in range(DOCUMENTS):
        chosen = draw.choices(words, k=draw.randint(4, 14))
        if language == "korean":
            made[f"d{number:03}"] = " ".join(word + draw.choice(PARTICLES) for word in chosen)
        else:
            made[f"d{number:03}"] = "".join(chosen) + draw.choice(("", "。", " 3", " ok"))
    return made
