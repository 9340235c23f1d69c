// Code generated from testdata/iso4217/list-one.xml by go generate; DO NOT EDIT.

package money

// ListDate is the day on which the list of codes was published.
const ListDate = "2026-01-01"

// listed is ISO 4217's list one.
var listed = map[string]listing{
	"AED": {decimals: 2, money: true},  // UAE Dirham
	"AFN": {decimals: 2, money: true},  // Afghani
	"ALL": {decimals: 2, money: true},  // Lek
	"AMD": {decimals: 2, money: true},  // Armenian Dram
	"AOA": {decimals: 2, money: true},  // Kwanza
	"ARS": {decimals: 2, money: true},  // Argentine Peso
	"AUD": {decimals: 2, money: true},  // Australian Dollar
	"AWG": {decimals: 2, money: true},  // Aruban Florin
	"AZN": {decimals: 2, money: true},  // Azerbaijan Manat
	"BAM": {decimals: 2, money: true},  // Convertible Mark
	"BBD": {decimals: 2, money: true},  // Barbados Dollar
	"BDT": {decimals: 2, money: true},  // Taka
	"BHD": {decimals: 3, money: true},  // Bahraini Dinar
	"BIF": {decimals: 0, money: true},  // Burundi Franc
	"BMD": {decimals: 2, money: true},  // Bermudian Dollar
	"BND": {decimals: 2, money: true},  // Brunei Dollar
	"BOB": {decimals: 2, money: true},  // Boliviano
	"BOV": {decimals: 2, money: false}, // Mvdol
	"BRL": {decimals: 2, money: true},  // Brazilian Real
	"BSD": {decimals: 2, money: true},  // Bahamian Dollar
	"BTN": {decimals: 2, money: true},  // Ngultrum
	"BWP": {decimals: 2, money: true},  // Pula
	"BYN": {decimals: 2, money: true},  // Belarusian Ruble
	"BZD": {decimals: 2, money: true},  // Belize Dollar
	"CAD": {decimals: 2, money: true},  // Canadian Dollar
	"CDF": {decimals: 2, money: true},  // Congolese Franc
	"CHE": {decimals: 2, money: false}, // WIR Euro
	"CHF": {decimals: 2, money: true},  // Swiss Franc
	"CHW": {decimals: 2, money: false}, // WIR Franc
	"CLF": {decimals: 4, money: false}, // Unidad de Fomento
	"CLP": {decimals: 0, money: true},  // Chilean Peso
	"CNY": {decimals: 2, money: true},  // Yuan Renminbi
	"COP": {decimals: 2, money: true},  // Colombian Peso
	"COU": {decimals: 2, money: false}, // Unidad de Valor Real
	"CRC": {decimals: 2, money: true},  // Costa Rican Colon
	"CUP": {decimals: 2, money: true},  // Cuban Peso
	"CVE": {decimals: 2, money: true},  // Cabo Verde Escudo
	"CZK": {decimals: 2, money: true},  // Czech Koruna
	"DJF": {decimals: 0, money: true},  // Djibouti Franc
	"DKK": {decimals: 2, money: true},  // Danish Krone
	"DOP": {decimals: 2, money: true},  // Dominican Peso
	"DZD": {decimals: 2, money: true},  // Algerian Dinar
	"EGP": {decimals: 2, money: true},  // Egyptian Pound
	"ERN": {decimals: 2, money: true},  // Nakfa
	"ETB": {decimals: 2, money: true},  // Ethiopian Birr
	"EUR": {decimals: 2, money: true},  // Euro
	"FJD": {decimals: 2, money: true},  // Fiji Dollar
	"FKP": {decimals: 2, money: true},  // Falkland Islands Pound
	"GBP": {decimals: 2, money: true},  // Pound Sterling
	"GEL": {decimals: 2, money: true},  // Lari
	"GHS": {decimals: 2, money: true},  // Ghana Cedi
	"GIP": {decimals: 2, money: true},  // Gibraltar Pound
	"GMD": {decimals: 2, money: true},  // Dalasi
	"GNF": {decimals: 0, money: true},  // Guinean Franc
	"GTQ": {decimals: 2, money: true},  // Quetzal
	"GYD": {decimals: 2, money: true},  // Guyana Dollar
	"HKD": {decimals: 2, money: true},  // Hong Kong Dollar
	"HNL": {decimals: 2, money: true},  // Lempira
	"HTG": {decimals: 2, money: true},  // Gourde
	"HUF": {decimals: 2, money: true},  // Forint
	"IDR": {decimals: 2, money: true},  // Rupiah
	"ILS": {decimals: 2, money: true},  // New Israeli Sheqel
	"INR": {decimals: 2, money: true},  // Indian Rupee
	"IQD": {decimals: 3, money: true},  // Iraqi Dinar
	"IRR": {decimals: 2, money: true},  // Iranian Rial
	"ISK": {decimals: 0, money: true},  // Iceland Krona
	"JMD": {decimals: 2, money: true},  // Jamaican Dollar
	"JOD": {decimals: 3, money: true},  // Jordanian Dinar
	"JPY": {decimals: 0, money: true},  // Yen
	"KES": {decimals: 2, money: true},  // Kenyan Shilling
	"KGS": {decimals: 2, money: true},  // Som
	"KHR": {decimals: 2, money: true},  // Riel
	"KMF": {decimals: 0, money: true},  // Comorian Franc
	"KPW": {decimals: 2, money: true},  // North Korean Won
	"KRW": {decimals: 0, money: true},  // Won
	"KWD": {decimals: 3, money: true},  // Kuwaiti Dinar
	"KYD": {decimals: 2, money: true},  // Cayman Islands Dollar
	"KZT": {decimals: 2, money: true},  // Tenge
	"LAK": {decimals: 2, money: true},  // Lao Kip
	"LBP": {decimals: 2, money: true},  // Lebanese Pound
	"LKR": {decimals: 2, money: true},  // Sri Lanka Rupee
	"LRD": {decimals: 2, money: true},  // Liberian Dollar
	"LSL": {decimals: 2, money: true},  // Loti
	"LYD": {decimals: 3, money: true},  // Libyan Dinar
	"MAD": {decimals: 2, money: true},  // Moroccan Dirham
	"MDL": {decimals: 2, money: true},  // Moldovan Leu
	"MGA": {decimals: 2, money: true},  // Malagasy Ariary
	"MKD": {decimals: 2, money: true},  // Denar
	"MMK": {decimals: 2, money: true},  // Kyat
	"MNT": {decimals: 2, money: true},  // Tugrik
	"MOP": {decimals: 2, money: true},  // Pataca
	"MRU": {decimals: 2, money: true},  // Ouguiya
	"MUR": {decimals: 2, money: true},  // Mauritius Rupee
	"MVR": {decimals: 2, money: true},  // Rufiyaa
	"MWK": {decimals: 2, money: true},  // Malawi Kwacha
	"MXN": {decimals: 2, money: true},  // Mexican Peso
	"MXV": {decimals: 2, money: false}, // Mexican Unidad de Inversion (UDI)
	"MYR": {decimals: 2, money: true},  // Malaysian Ringgit
	"MZN": {decimals: 2, money: true},  // Mozambique Metical
	"NAD": {decimals: 2, money: true},  // Namibia Dollar
	"NGN": {decimals: 2, money: true},  // Naira
	"NIO": {decimals: 2, money: true},  // Cordoba Oro
	"NOK": {decimals: 2, money: true},  // Norwegian Krone
	"NPR": {decimals: 2, money: true},  // Nepalese Rupee
	"NZD": {decimals: 2, money: true},  // New Zealand Dollar
	"OMR": {decimals: 3, money: true},  // Rial Omani
	"PAB": {decimals: 2, money: true},  // Balboa
	"PEN": {decimals: 2, money: true},  // Sol
	"PGK": {decimals: 2, money: true},  // Kina
	"PHP": {decimals: 2, money: true},  // Philippine Peso
	"PKR": {decimals: 2, money: true},  // Pakistan Rupee
	"PLN": {decimals: 2, money: true},  // Zloty
	"PYG": {decimals: 0, money: true},  // Guarani
	"QAR": {decimals: 2, money: true},  // Qatari Rial
	"RON": {decimals: 2, money: true},  // Romanian Leu
	"RSD": {decimals: 2, money: true},  // Serbian Dinar
	"RUB": {decimals: 2, money: true},  // Russian Ruble
	"RWF": {decimals: 0, money: true},  // Rwanda Franc
	"SAR": {decimals: 2, money: true},  // Saudi Riyal
	"SBD": {decimals: 2, money: true},  // Solomon Islands Dollar
	"SCR": {decimals: 2, money: true},  // Seychelles Rupee
	"SDG": {decimals: 2, money: true},  // Sudanese Pound
	"SEK": {decimals: 2, money: true},  // Swedish Krona
	"SGD": {decimals: 2, money: true},  // Singapore Dollar
	"SHP": {decimals: 2, money: true},  // Saint Helena Pound
	"SLE": {decimals: 2, money: true},  // Leone
	"SOS": {decimals: 2, money: true},  // Somali Shilling
	"SRD": {decimals: 2, money: true},  // Surinam Dollar
	"SSP": {decimals: 2, money: true},  // South Sudanese Pound
	"STN": {decimals: 2, money: true},  // Dobra
	"SVC": {decimals: 2, money: true},  // El Salvador Colon
	"SYP": {decimals: 2, money: true},  // Syrian Pound
	"SZL": {decimals: 2, money: true},  // Lilangeni
	"THB": {decimals: 2, money: true},  // Baht
	"TJS": {decimals: 2, money: true},  // Somoni
	"TMT": {decimals: 2, money: true},  // Turkmenistan New Manat
	"TND": {decimals: 3, money: true},  // Tunisian Dinar
	"TOP": {decimals: 2, money: true},  // Pa’anga
	"TRY": {decimals: 2, money: true},  // Turkish Lira
	"TTD": {decimals: 2, money: true},  // Trinidad and Tobago Dollar
	"TWD": {decimals: 2, money: true},  // New Taiwan Dollar
	"TZS": {decimals: 2, money: true},  // Tanzanian Shilling
	"UAH": {decimals: 2, money: true},  // Hryvnia
	"UGX": {decimals: 0, money: true},  // Uganda Shilling
	"USD": {decimals: 2, money: true},  // US Dollar
	"USN": {decimals: 2, money: false}, // US Dollar (Next day)
	"UYI": {decimals: 0, money: false}, // Uruguay Peso en Unidades Indexadas (UI)
	"UYU": {decimals: 2, money: true},  // Peso Uruguayo
	"UYW": {decimals: 4, money: false}, // Unidad Previsional
	"UZS": {decimals: 2, money: true},  // Uzbekistan Sum
	"VED": {decimals: 2, money: true},  // Bolívar Soberano
	"VES": {decimals: 2, money: true},  // Bolívar Soberano
	"VND": {decimals: 0, money: true},  // Dong
	"VUV": {decimals: 0, money: true},  // Vatu
	"WST": {decimals: 2, money: true},  // Tala
	"XAD": {decimals: 2, money: false}, // Arab Accounting Dinar
	"XAF": {decimals: 0, money: true},  // CFA Franc BEAC
	"XAG": {decimals: 0, money: false}, // Silver
	"XAU": {decimals: 0, money: false}, // Gold
	"XBA": {decimals: 0, money: false}, // Bond Markets Unit European Composite Unit (EURCO)
	"XBB": {decimals: 0, money: false}, // Bond Markets Unit European Monetary Unit (E.M.U.-6)
	"XBC": {decimals: 0, money: false}, // Bond Markets Unit European Unit of Account 9 (E.U.A.-9)
	"XBD": {decimals: 0, money: false}, // Bond Markets Unit European Unit of Account 17 (E.U.A.-17)
	"XCD": {decimals: 2, money: true},  // East Caribbean Dollar
	"XCG": {decimals: 2, money: true},  // Caribbean Guilder
	"XDR": {decimals: 0, money: false}, // SDR (Special Drawing Right)
	"XOF": {decimals: 0, money: true},  // CFA Franc BCEAO
	"XPD": {decimals: 0, money: false}, // Palladium
	"XPF": {decimals: 0, money: true},  // CFP Franc
	"XPT": {decimals: 0, money: false}, // Platinum
	"XSU": {decimals: 0, money: false}, // Sucre
	"XTS": {decimals: 0, money: false}, // Codes specifically reserved for testing purposes
	"XUA": {decimals: 0, money: false}, // ADB Unit of Account
	"XXX": {decimals: 0, money: false}, // The codes assigned for transactions where no currency is involved
	"YER": {decimals: 2, money: true},  // Yemeni Rial
	"ZAR": {decimals: 2, money: true},  // Rand
	"ZMW": {decimals: 2, money: true},  // Zambian Kwacha
	"ZWG": {decimals: 2, money: true},  // Zimbabwe Gold
}
